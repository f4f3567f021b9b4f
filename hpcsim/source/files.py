"""Which files a model or stage of the user's own is made of, and the digest of each.

A module, the modules beside it that it imports, files of mechanisms and morphologies that it names, and the data that
it declares. What is installed (site-packages, the standard library, hpcsim) is known by versions instead.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path

from hpcsim.errors import PluginError
from hpcsim.source.code import imports, normal_form
from hpcsim.source.simulator_files import included, named_files

#: Files that are larger are known by their digest, and not kept with the results.
KEPT_BYTES = 2**26
_PIECE = 2**20
#: Steps upwards from the folder of the code to a file that still belongs to it.
_NEAR = 2
#: What a module imports that uses NEURON.
_NEURON = ("neuron.", "hpcsim.models.neuron.")
#: Of modules.
_SUFFIXES = (".py", *EXTENSION_SUFFIXES)


@dataclass(frozen=True)
class SourceFile:
    """A file that the numbers depend on.

    Parameters
    ----------
    path : Path
        Where it was read.
    digest : str
        32 hexadecimal digits: of the code without comments, layout and docstrings, or of all bytes of other files.
    content : bytes or None
        None where it is not kept: larger than 64 MiB, or outside of its module's folder.
    """

    path: Path
    digest: str
    content: bytes | None = field(default=None, repr=False)

    @classmethod
    def read(cls, path: Path, *, keep: bool = True) -> SourceFile:
        """Read a file as it is now.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        if path.suffix == ".py" or (keep and path.stat().st_size <= KEPT_BYTES):
            content = path.read_bytes()
            return cls(path, code_digest(content) if path.suffix == ".py" else _digest(content), content if keep else None)
        digest = hashlib.blake2b(digest_size=16)
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
        return cls(path, digest.hexdigest())


@dataclass(frozen=True, eq=False)
class Source:
    """A module of the user's own with everything that it is made of.

    Parameters
    ----------
    root : Path
        The folder in which its name begins.
    module : str
        Its dotted name.
    files : mapping of str to SourceFile
        By their paths in that folder, with "/".
    """

    root: Path
    module: str
    files: Mapping[str, SourceFile]

    def digests(self) -> dict[str, str]:
        """Digest of every file, sorted by path."""
        return {name: self.files[name].digest for name in sorted(self.files)}

    def owns(self, name: str, importer: str) -> bool:
        """Whether an import in one of its modules means one of its modules; as :func:`is_own`, from what was read."""
        top = name.partition(".")[0]
        if f"{top}/__init__.py" in self.files:
            return True
        if any(top + suffix in self.files for suffix in _SUFFIXES):
            return top != importer
        return any(path.startswith(f"{top}/") and path.endswith(_SUFFIXES) for path in self.files)

    def with_declared(self, names: Iterable[str]) -> Source:
        """The same with data files that a model or stage declares, relative to its module.

        Raises
        ------
        PluginError
            If one is not there.
        """
        found = dict(self.files)
        home = (find_module(self.root, self.module) or self.root / "_").parent
        for name in names:
            path = home / name
            inside = _relative(path, self.root)
            try:
                found[inside or name] = SourceFile.read(path, keep=inside is not None)
            except OSError as error:
                raise PluginError(
                    f'the module "{self.module}" declares the file "{name}", but {path} cannot be read: {error.strerror}; '
                    "such a path begins at the folder of the module"
                ) from None
        return Source(self.root, self.module, found)


def collect(root: Path, module: str) -> Source:
    """The files of a module: itself, modules below the same folder that it imports, and mechanisms that it names.

    Parameters
    ----------
    root : Path
        The folder in which the name begins.
    module : str
        Its dotted name.
    """
    files: dict[str, SourceFile] = {}
    pending, neuron = [module], False
    while pending:
        name = pending.pop()
        path = find_module(root, name)
        relative = _relative(path, root) if path is not None else None
        if path is None or relative is None or relative in files:
            continue
        files[relative] = file = SourceFile.read(path)
        if path.suffix != ".py" or file.content is None:
            continue
        imported = imports(file.content, name, path)
        neuron = neuron or any(f"{item}.".startswith(_NEURON) for item in imported)
        pending += [each for item in imported if is_own(root, item, name) for each in _ancestors(item)]
        pending += _ancestors(name)
        files |= named(file.content, path.parent, root, path)
    home = (find_module(root, module) or root / "_").parent
    if neuron:
        _add(files, root, mechanisms(home))
    return Source(root, module, files)


def named(content: bytes, folder: Path, root: Path, file: Path | None = None) -> dict[str, SourceFile]:
    """Simulator files that the code names, as in `named_files`; those outside of the root stay where they are."""
    found = {}
    for path in named_files(content, folder, file):
        relative = _relative(path, root)
        # what lies near the code moves with it
        beside = os.path.relpath(path, root)
        name = relative or (beside if Path(beside).parts.count("..") <= _NEAR else str(path))
        found[name] = SourceFile.read(path, keep=relative is not None)
    return found


def mechanisms(folder: Path) -> list[Path]:
    """NEURON's mechanisms in a folder and in those directly below, with what they include: they are compiled together."""
    found = [path for ending in ("mod", "inc") for path in (*folder.glob(f"*.{ending}"), *folder.glob(f"*/*.{ending}"))]
    own = [path for path in found if path.parent.name != platform.machine()]
    return sorted({*own, *(file for path in own for file in included(path))})


def find_module(root: Path, name: str) -> Path | None:
    """The file of a module below a folder; None when there is none."""
    base = root.joinpath(*name.split("."))
    candidates = [base / "__init__.py", *(base.with_name(base.name + suffix) for suffix in _SUFFIXES)]
    return next((path for path in candidates if path.is_file()), None)


def is_own(root: Path, name: str, importer: str) -> bool:
    """Whether an import in the user's own code means a module of the user's own.

    As Python does it for a file that it runs, modules beside it come before installed ones. But a file never means
    itself: ``import neuron`` in the user's neuron.py is the simulator. And hpcsim is always the installed one.

    Parameters
    ----------
    root : Path
    name : str
        What is imported.
    importer : str
        The module that imports it.
    """
    top = name.partition(".")[0]
    if top == "hpcsim":
        return False
    if (found := find_module(root, top)) is not None:
        return not (top == importer and found.name != "__init__.py")
    # a folder without __init__.py is a package only where nothing of that name is installed
    return find_module(root, name) is not None and not _installed(top)


def code_digest(content: bytes) -> str:
    """Digest of a module's code, whatever its comments, layout and docstrings are."""
    return _digest(normal_form(content))


def together(sources: Iterable[Source]) -> tuple[dict[str, SourceFile], list[Path]]:
    """The files of several sources, and the folders in which they begin.

    Returns
    -------
    files : dict
        Those of the first folder by their paths in it; those of the n-th one below ``_n/``.
    roots : list of Path
    """
    files: dict[str, SourceFile] = {}
    roots: list[Path] = []
    for source in sources:
        if source.root not in roots:
            roots.append(source.root)
        prefix = folder_prefix(roots.index(source.root))
        files |= {prefix + name: file for name, file in source.files.items()}
    return files, roots


def folder_prefix(number: int) -> str:
    """Where the files of the n-th folder are kept."""
    return f"_{number}/" if number else ""


def _ancestors(name: str) -> Iterator[str]:
    """``a``, ``a.b`` and ``a.b.c`` of ``a.b.c``."""
    parts = name.split(".")
    return (".".join(parts[: i + 1]) for i in range(len(parts)))


def _add(files: dict[str, SourceFile], root: Path, paths: Iterable[Path]) -> None:
    for path in paths:
        relative = _relative(path, root)
        if relative is not None and relative not in files:
            files[relative] = SourceFile.read(path)


def _relative(path: Path, root: Path) -> str | None:
    """The path below a folder; None when it lies elsewhere."""
    if ".." in path.parts:
        path = path.resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else None


def _installed(top: str) -> bool:
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.origin is not None


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
