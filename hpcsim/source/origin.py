"""What the code of a study is: the files of its model and stages, or the packages that they are installed with."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from types import ModuleType
from typing import Any

from hpcsim.source.files import Source, SourceFile, collect, find_module, together
from hpcsim.source.importer import loaded_source
from hpcsim.source.reference import is_installed, source_of
from hpcsim.source.session import SESSION, session_source


@dataclass(frozen=True)
class Code:
    """What a study's model and stages are made of; empty where all of it ships with hpcsim.

    Parameters
    ----------
    files : mapping of str to SourceFile
        The user's own, by their paths in the first of the folders; those of the n-th one below ``_n/``.
    roots : tuple of Path
        The folders.
    packages : mapping of str to str
        Versions of installed distributions that offer a model or a stage.
    """

    files: Mapping[str, SourceFile] = field(default_factory=dict)
    roots: tuple[Path, ...] = ()
    packages: Mapping[str, str] = field(default_factory=dict)

    def recipe(self) -> dict[str, str]:
        """What must be equal for the numbers to be equal: digests of files, versions of packages."""
        return {**self.packages, **{name: self.files[name].digest for name in sorted(self.files)}}


def code_of(things: Iterable[tuple[object, Callable[..., Any]]]) -> Code:
    """The code of models and stages.

    Parameters
    ----------
    things : iterable of (object, callable)
        Each with the function that does its work.

    Raises
    ------
    PluginError
        If a file that one declares is not there.
    """
    sources: list[Source] = []
    packages: dict[str, str] = {}
    for thing, function in things:
        declared = getattr(thing, "files", ())
        if (known := source_of(thing)) is not None:
            sources.append(known)
            continue
        name = str(getattr(function, "__module__", None) or type(function).__module__)
        if (known := loaded_source(name)) is not None:
            sources.append(known.with_declared(declared))
        elif name == SESSION:
            source, modules = session_source(function)
            sources += [source.with_declared(declared)] if source is not None else []
            sources += [own for module in modules if (own := _module_source(module)) is not None]
        elif (own := _module_source(sys.modules.get(name))) is not None:
            sources.append(own.with_declared(declared))
        else:
            packages |= _package(name.partition(".")[0])
    files, roots = together(sources)
    return Code(files, tuple(roots), packages)


def _module_source(module: ModuleType | None) -> Source | None:
    """The files of a module that was imported as Python does it; None where it is installed, or has no file."""
    name, location = getattr(module, "__name__", ""), getattr(module, "__file__", None)
    if not location or name.partition(".")[0] == "hpcsim" or is_installed(Path(location)):
        return None
    path = Path(location).absolute()
    depth = name.count(".") + (path.name == "__init__.py")
    root = path.parents[min(depth, len(path.parents) - 1)]
    if find_module(root, name) != path:
        # it was loaded under another name
        root, name = path.parent, path.stem
    return collect(root, name)


def _package(top: str) -> dict[str, str]:
    """The distribution of an installed module, and its version; nothing for hpcsim itself."""
    if top == "hpcsim":
        return {}
    found = {}
    for name in packages_distributions().get(top, ()):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
