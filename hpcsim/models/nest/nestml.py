"""Neurons in NESTML: compiled once a machine, loaded where NEST simulates."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from hpcsim.errors import SimulationError, nearest
from hpcsim.files import replacing
from hpcsim.models.compiler import cpp_compiler, made_once
from hpcsim.models.nest import extension
from hpcsim.models.plain_path import plain, plain_folder
from hpcsim.plugin import not_installed

_MODELS = re.compile(r"^\s*model\s+(\w+)\s*:", re.MULTILINE)
#: Models that this process has loaded, with their libraries: a second class of one name would be mixed up with the first.
_loaded: dict[str, Path] = {}


def library(file: Path, cache: Path) -> Path:
    """Compile a NESTML file for this NEST, unless it is there already.

    For the `prepare` of a model, which is called once before all tasks: a file with an error then ends the command.

    Parameters
    ----------
    file : Path
        ``NAME.nestml``, with one neuron or several.
    cache : Path
        Where compiled libraries are kept, by what they were made of; a model has it as ``context.cache``. Processes that want
        the same one at once wait for the first.

    Returns
    -------
    Path
        The module that NEST installs.

    Raises
    ------
    SimulationError
        If the file is not there, NESTML or a compiler is missing, NEST came without its headers, or NESTML or the compiler
        refuses; their words are in the message.

    Notes
    -----
    A NEST that was built with MPI includes its headers: those of PyPI's mpich are found, others with ``CXX=mpicxx``. Synapses
    that NESTML generates together with a neuron (spike-timing dependent plasticity) are not made.
    """
    text = _text(file)
    if find_spec("pynestml") is None:
        raise SimulationError(not_installed(f"a neuron in NESTML ({file.name})", "NESTML", "nestml"))
    compiler = cpp_compiler("neurons in NESTML")
    headers, flags = extension.headers(), extension.flags()
    key = extension.key(compiler, text, version("nestml"))
    # NEST looks for a symbol of this name in a file of this name
    target = cache / "nestml" / key / f"hpcsim_{file.stem}_module.so"
    return made_once(target, lambda place: _compile(file, [compiler, *flags], headers, place))


def load(file: Path, cache: Path) -> None:
    """Make the neurons of a NESTML file known to NEST, compiling them first where needed.

    For the function of a model, after every ``nest.ResetKernel()``, which forgets them. They are created by the names that
    the file gives them.

    Parameters
    ----------
    file : Path
    cache : Path
        As in :func:`library`.

    Raises
    ------
    SimulationError
        As :func:`library`; also where this process has loaded another model of that name.
    """
    nest = extension.quiet_nest()
    path = library(file, cache)
    models = _MODELS.findall(_text(file))
    for model in models:
        if _loaded.get(model, path) != path:
            raise SimulationError(
                f'{file}: this process has loaded another model "{model}", or an earlier version of that file, and NEST cannot '
                'replace it; start a new process (restart the notebook\'s kernel, or run the study with on="local")'
            )
    nest.Install(str(plain(path)))
    _loaded.update(dict.fromkeys(models, path))


def _text(file: Path) -> str:
    """What a NESTML file says.

    Raises
    ------
    SimulationError
        If it is not there, or its name cannot be that of a module.
    """
    if not file.is_file():
        there = {path.name for path in file.parent.glob("*.nestml")}
        hint = nearest(file.name, there) if there else "the folder has no such files"
        raise SimulationError(f"the NESTML file {file.absolute()} is not there; {hint}")
    if file.suffix != ".nestml" or not re.fullmatch(r"[A-Za-z]\w*", file.stem, re.ASCII):
        raise SimulationError(f'found the NESTML file "{file.name}"; expected letters, digits and "_", such as my_neuron.nestml')
    return file.read_text(encoding="utf-8")


def _nest_version() -> str:
    """How NESTML calls it."""
    nest = extension.quiet_nest()
    return "main" if "dev" in nest.__version__ else f"v{nest.__version__}"


def _compile(file: Path, command: Sequence[str], headers: Path, target: Path) -> None:
    """Write C++ with NESTML, compile it, and move the module into its place in one step."""
    with plain_folder(target.parent) as folder:
        # NESTML reads by names without spaces
        source = shutil.copyfile(file, folder / file.name)
        # it keeps global state, prints, and writes into the current folder
        code = f"from {__name__} import generate; generate({str(source)!r}, {target.stem!r}, {_nest_version()!r})"
        extension.run([sys.executable, "-c", code], folder, f"NESTML could not translate {file}")
        files = [str(path) for path in sorted(folder.glob("*.cpp"))]
        built = folder / target.name
        extension.run([*command, f"-I{headers}", f"-I{folder}", *files, "-o", str(built)], folder, f"the compiler refused {file}")
        with replacing(target) as temporary:
            shutil.copyfile(built, temporary)


def generate(file: str, module: str, nest_version: str) -> None:
    """Translate a model with NESTML into C++ in the current folder; in a process of its own.

    Parameters
    ----------
    file : str
        Of the model.
    module : str
        What NEST will call it.
    nest_version : str
        NESTML finds it out by models that a NEST built with some alone may lack.
    """
    from pynestml.codegeneration.nest_builder import NESTBuilder
    from pynestml.frontend.pynestml_frontend import generate_target

    # it wants CMake, and the folder in which NEST was built: that of PyPI's wheels is gone
    NESTBuilder.build = lambda self: None
    if generate_target(file, "NEST", target_path=".", module_name=module, codegen_opts={"nest_version": nest_version}):
        raise SystemExit(1)
