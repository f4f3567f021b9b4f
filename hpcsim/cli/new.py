"""What `hpcsim new` writes: a model of the user's own with a study and a test, and a study of any model."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpcsim.errors import HpcsimError, StorageError, StudyError, nearest
from hpcsim.study_reference import STUDY_NAME

if TYPE_CHECKING:
    from hpcsim.models.model import Model
    from hpcsim.space.parameter import Parameter

_SKELETONS = Path(__file__).parent / "skeletons"
KINDS = ("nest", "neuron", "brian2", "numpy", "program")
#: What a proposed list makes of a default.
_FACTORS = (0.8, 1.0, 1.2)
_WIDTH = 118


def new_model(kind: str, name: str, folder: Path) -> list[Path]:
    """Write a model that runs as it is, with a study and a test.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    name : str
        Of the model, of its module, and of the study.
    folder : Path

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    HpcsimError
        If there is no such kind, the name cannot be one of a module, or a file is there already.
    StorageError
        If they cannot be written.
    """
    from hpcsim.models.registry import get_model

    if kind not in KINDS:
        raise HpcsimError(f'there is no kind "{kind}" of models; {nearest(kind, KINDS)}')
    if not name.isidentifier() or keyword.iskeyword(name):
        raise HpcsimError(f'found the name "{name}"; expected that of a Python module: letters, digits and "_", such as my_model')
    if not re.match(STUDY_NAME, name):
        raise HpcsimError(f'found the name "{name}"; expected plain letters, digits and "_", such as my_model')
    if name in _bound(f"{kind}.py.in") | _bound("test.py.in"):
        raise HpcsimError(f'the skeleton has something else that is called "{name}"; take another name')
    # not where a file of that name is in the way, which is said below
    if find_spec(name) is not None and not (folder / f"{name}.py").exists():
        raise HpcsimError(f'"{name}" is the name of an installed package, which such a file would hide; take another')
    texts = {f"{name}.py": _skeleton(f"{kind}.py.in", name)}
    if kind == "program":
        texts[f"{name}_program.py"] = _skeleton("program_program.py.in", name)
    texts[f"test_{name}.py"] = _skeleton("test.py.in", name)
    study = folder / f"{name}.toml"
    _refuse([*(folder / file for file in texts), study])
    written = [_write(folder / file, text) for file, text in texts.items()]
    model = get_model(f"{name}:{name}", [folder], installed=False)
    return [*written, _write(study, study_text(model, f"{name}:{name}", folder))]


def new_study(reference: str, out: Path | None) -> Path:
    """Write a commented study with every parameter of a model.

    Parameters
    ----------
    reference : str
        The model, as a study names it.
    out : Path, optional
        ``NAME.toml`` in the current folder by default.

    Raises
    ------
    PluginError
        If there is no such model.
    HpcsimError
        If the file is there already.
    StorageError
        If it cannot be written.
    """
    from hpcsim.models.registry import get_model

    model = get_model(reference, installed=False)
    out = out or Path(f"{model.name.rpartition('.')[2]}.toml")
    if not re.match(STUDY_NAME, out.stem):
        raise HpcsimError(
            f'"{out.stem}" cannot be the name of a study; expected letters, digits, "_", "." and "-", such as first.toml'
        )
    _refuse([out])
    return _write(out, study_text(model, reference, out.parent, out.stem))


def study_text(model: Model, reference: str, folder: Path, name: str = "") -> str:
    """A study of a model as TOML with comments: one parameter varies, all others stand beside it with what they are.

    Parameters
    ----------
    model : Model
    reference : str
        As the study names it.
    folder : Path
        Where the study will be.
    name : str
        Of the study; that of the model by default.
    """
    name = name or model.name.rpartition(".")[2]
    for parameter in model.parameters:
        if (values := _proposed(parameter)) and _sound(model, reference, folder, parameter.name, values):
            return "\n".join(_lines(model, reference, name, parameter, values)) + "\n"
    return "\n".join(_lines(model, reference, name, None, [])) + "\n"


def _bound(skeleton: str) -> set[str]:
    """Names that a skeleton uses for something else than the model."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(_skeleton(skeleton, "__model__"))):
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.Name):
            found.add(node.id)
    return found


def _proposed(parameter: Parameter) -> list[float]:
    """Three values around the default of a number, within its bounds; none for anything else."""
    default = parameter.default
    if not isinstance(default, float) or not default:
        return []
    low, high = parameter.bounds
    values = [float(f"{default * factor:.6g}") for factor in _FACTORS]
    return values if all((low is None or low <= value) and (high is None or value <= high) for value in values) else []


def _sound(model: Model, reference: str, folder: Path, name: str, values: list[float]) -> bool:
    from hpcsim.study.checked import CheckedStudy

    tables: Mapping[str, Any] = {"study": {"name": "new", "model": reference}, "space": {name: values}}
    try:
        CheckedStudy(tables, "new", folder, model)
    except StudyError:
        return False
    return True


def _lines(model: Model, reference: str, name: str, varied: Parameter | None, values: list[float]) -> Iterator[str]:
    yield f"# {model.name} {model.version}: {model.description}".rstrip(": ")
    yield f"# `hpcsim plan {name}.toml` says what it would run, `hpcsim run {name}.toml` runs it; keys: docs/how-to/study_file.md"
    yield from ("[study]", f"name = {_toml(name)}", f"model = {_toml(reference)}", "seed = 1")
    yield "# replicates = 1       # simulations of each point, with seeds of their own"
    if model.presets:
        yield f"# preset = {_toml(next(iter(model.presets)))}  # one of: {', '.join(model.presets)}"
    yield from ("", "# what varies: a list, or { linspace = [first, last, n] }, { logspace = [first, last, n] };")
    yield "# or a prior, { uniform = [low, high] } and others, with [design] below"
    yield "[space]"
    if varied is not None:
        yield from _comment(varied)
        yield f"{varied.name} = {_toml(values)}"
    yield from ("", "# everything else; without the sharp, a line replaces the default, which it shows")
    yield "[fixed]"
    for parameter in model.parameters:
        if parameter is not varied:
            yield from _comment(parameter)
            yield f"# {parameter.name} = {_toml(parameter.default)}"
    yield from ("", "[outputs]", "# names of outputs; everything without this line. There are:")
    for output in model.outputs:
        about = ", ".join(filter(None, [" x ".join(output.dims) + (" (ragged)" if output.ragged else ""), output.unit]))
        yield from _wrapped(f"{output.name}: {'; '.join(filter(None, [about or 'a number', output.description]))}")
    yield f"# keep = {_toml([output.name for output in model.outputs])}"
    yield '# precision = "float32"'
    yield from ("", "# [design]             # where parameters are drawn from priors", '# method = "sobol"', "# n = 1000")
    yield from ("", "# [resources]          # of one point", '# time = "10 min"', '# memory = "2 GB"', "# threads = 1")
    yield from (
        "",
        "# [[stages]]           # what is computed of outputs: `hpcsim show` lists them",
        '# use = "features.catch22"',
    )
    yield from ("", "# [[inference]]        # what is inferred from results", '# use = "inference.regression"')


def _comment(parameter: Parameter) -> Iterator[str]:
    """What a parameter is: unit, what is allowed, description."""
    from hpcsim.cli.listing import allowed

    about = ", ".join(filter(None, [parameter.unit, allowed(parameter)]))
    text = "; ".join(filter(None, [about, parameter.description]))
    yield from _wrapped(f"{parameter.name}: {text}" if text else parameter.name)


def _wrapped(text: str) -> Iterator[str]:
    import textwrap

    return (f"# {line}" for line in textwrap.wrap(" ".join(text.split()), _WIDTH))


def _toml(value: Any) -> str:
    """A value as TOML has it, on one line."""
    import tomli_w

    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").strip()


def _skeleton(file: str, name: str) -> str:
    return (_SKELETONS / file).read_text(encoding="utf-8").replace("@NAME@", name)


def _refuse(paths: list[Path]) -> None:
    there = [str(path) for path in paths if path.exists() or path.is_symlink()]
    if there:
        raise HpcsimError(f"{', '.join(there)}: there already, and never overwritten; take another name, or move what is there")


def _write(path: Path, text: str) -> Path:
    try:
        # it may have come into being meanwhile
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        _refuse([path])
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}") from error
    return path
