"""Plug-ins that are found by name: built in, from an entry point, or as ``package.module:name``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Generic, TypeVar

from hpcsim.errors import PluginError, nearest
from hpcsim.plugin import Plugin
from hpcsim.source.reference import find

P = TypeVar("P", bound=Plugin)


class Registry(Generic[P]):
    """Names and where they lead; nothing is imported before it is asked for.

    Parameters
    ----------
    kind : type of Plugin
        What the names must lead to; other packages add theirs through its entry point group.
    builtin : mapping of str to str
        ``{"nest.hagen_lif": "hpcsim.models.nest.hagen_lif:hagen_lif"}``
    """

    def __init__(self, kind: type[P], builtin: Mapping[str, str]) -> None:
        self._kind, self._builtin = kind, dict(builtin)

    def names(self) -> list[str]:
        """All names that can be found, sorted."""
        return sorted({*self._builtin, *(entry.name for entry in entry_points(group=self._kind.group))})

    def get(self, name: str, folders: Sequence[Path] | None = None, *, installed: bool = False) -> P:
        """The plug-in of that name.

        Parameters
        ----------
        name : str
        folders : sequence of Path, optional
            Where files of the user's own are looked for; the current folder by default.
        installed : bool
            Also check that its engine can be imported.

        Raises
        ------
        PluginError
            If there is none, it cannot be imported, it is something else, or its engine is not installed.
        """
        target, word = self._builtin.get(name), self._kind.word
        if target is None and ":" not in name:
            target = self._of_others(name)
        if target is not None:
            found = self._load(name, target)
        elif ":" in name:
            try:
                found = find(name, word, self._kind, [Path.cwd()] if folders is None else folders)
            except PluginError:
                # names of entry points may have colons, too
                target = self._of_others(name)
                if target is None:
                    raise
                found = self._load(name, target)
        else:
            raise PluginError(
                f'there is no {word} "{name}"; {nearest(name, self.names())} (one of your own is named as "package.module:name")'
            )
        plugin = self._kind.of(name, found)
        if plugin is None:
            article = "an" if word[0] in "aeiou" else "a"
            raise PluginError(f'"{name}" is a {type(found).__name__}, not {article} {word}')
        if installed:
            plugin.check_installed()
        return plugin

    def _of_others(self, name: str) -> str | None:
        """Where an entry point of another package leads.

        All installed packages are looked through: for a module of the user's own that would take longer than to load it.
        """
        return next((entry.value for entry in entry_points(group=self._kind.group) if entry.name == name), None)

    def _load(self, name: str, target: str) -> object:
        what = f'the {self._kind.word} "{name}"'
        module, _, attribute = target.partition(":")
        try:
            found = import_module(module)
        except ImportError as error:
            raise PluginError(f"{what} cannot be imported: {error}") from error
        except Exception as error:
            # a package of someone else's: whatever it does, the others can be used
            raise PluginError(f"{what} cannot be imported: {type(error).__name__}: {error}") from error
        try:
            return getattr(found, attribute)
        except AttributeError:
            raise PluginError(f'the module "{module}" has no "{attribute}", which {what} names') from None
