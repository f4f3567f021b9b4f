"""Loads modules of the user's own from their files, beside all others: they shadow none and no other study's.

Each gets a package of its own, named by what its files hold: an edited file is another module, and what runs is what
was read for the digest. Nothing is put on ``sys.path``; the imports of such modules look into their own folder first.
"""

from __future__ import annotations

import builtins
import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder, SourceLoader
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from hpcsim.source.files import Source

PREFIX = "hpcsim_own_"


def load(source: Source) -> ModuleType:
    """The module, loaded when its files are new to this process.

    Raises
    ------
    Exception
        Whatever the module raises.
    """
    # a module that imports NEURON would have it look for a display, and complain where there is none
    os.environ.setdefault("NEURON_MODULE_OPTIONS", "-nogui")
    package = _name(source)
    if package not in _FINDER.packages:
        _FINDER.packages[package] = source
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
    return import_module(f"{package}.{source.module}")


def loaded_source(name: str) -> Source | None:
    """What a loaded module was made of, by the name that it has in this process."""
    return _FINDER.packages.get(name.partition(".")[0])


def own_name(name: str) -> str:
    """The name of a module as the user wrote it."""
    return name.partition(".")[2] if name.startswith(PREFIX) else name


class _Finder(MetaPathFinder):
    """Finds modules in what was read of a source."""

    def __init__(self) -> None:
        self.packages: dict[str, Source] = {}

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """As Python's import asks for it."""
        package, _, name = fullname.partition(".")
        source = self.packages.get(package)
        if source is None:
            return None
        place = name.replace(".", "/")
        for relative in (f"{place}/__init__.py", f"{place}.py", *(place + suffix for suffix in EXTENSION_SUFFIXES)):
            file = source.files.get(relative)
            if file is not None and name:
                location = str(source.root / relative)
                if not relative.endswith(".py"):
                    return spec_from_file_location(fullname, location, loader=ExtensionFileLoader(fullname, location))
                folders = [str(Path(location).parent)] if relative.endswith("/__init__.py") else None
                loader = _Loader(package, source, name, location, file.content or b"")
                return spec_from_file_location(fullname, location, loader=loader, submodule_search_locations=folders)
        if name and not any(relative.startswith(f"{place}/") for relative in source.files):
            return None
        # the folder itself, and packages without __init__.py
        spec = ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations = [str(source.root / place)]
        return spec


class _Loader(SourceLoader):
    """Runs what was read; compiled files are neither used nor written, since they may be of another moment."""

    def __init__(self, package: str, source: Source, name: str, location: str, content: bytes) -> None:
        self.package, self.source, self.name, self.location, self.content = package, source, name, location, content

    def get_filename(self, fullname: str) -> str:
        """Where it was read."""
        return self.location

    def get_data(self, path: str | bytes) -> bytes:
        """What was read; other files as they are now."""
        return self.content if path == self.location else Path(str(path)).read_bytes()

    def exec_module(self, module: ModuleType) -> None:
        """Run the module with imports of its own."""
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": self._import}
        super().exec_module(module)

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> ModuleType:
        """``import`` in this module: modules of its own folder come before installed ones."""
        if level or not self.source.owns(name, self.name):
            return builtins.__import__(name, globals, locals, fromlist, level)
        module = builtins.__import__(f"{self.package}.{name}", globals, locals, fromlist, 0)
        return module if fromlist else sys.modules[f"{self.package}.{name.partition('.')[0]}"]


_FINDER = _Finder()


def _name(source: Source) -> str:
    """The name of its package: the same as long as its files are."""
    parts = [str(source.root), source.module]
    for name in sorted(source.files):
        file = source.files[name]
        held = hashlib.blake2b(file.content, digest_size=16).hexdigest() if file.content is not None else file.digest
        parts += [name, held]
    return PREFIX + hashlib.blake2b("\n".join(parts).encode(), digest_size=8).hexdigest()
