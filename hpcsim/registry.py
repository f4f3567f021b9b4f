"""Things that are found by name: built in, from an entry point, or as ``package.module:name``."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from hpcsim.errors import ModelError, nearest

T = TypeVar("T")


class Registry(Generic[T]):
    """Names and where they lead; nothing is imported before it is asked for.

    Parameters
    ----------
    kind : type
        What the names must lead to.
    word : str
        What to call such a thing in messages.
    group : str
        Entry point group through which other packages add theirs.
    builtin : mapping of str to str
        ``{"nest.hagen_lif": "hpcsim.models.nest.hagen_lif:hagen_lif"}``
    """

    def __init__(self, kind: type[T], word: str, group: str, builtin: Mapping[str, str]) -> None:
        self._kind, self._word, self._group, self._builtin = kind, word, group, dict(builtin)

    def names(self) -> list[str]:
        """All names that can be found, sorted."""
        return sorted({*self._builtin, *(entry.name for entry in entry_points(group=self._group))})

    def get(self, name: str) -> T:
        """The thing of that name.

        Raises
        ------
        ModelError
            If there is none, it cannot be imported, or it is something else.
        """
        target = self._builtin.get(name)
        if target is None:
            target = next((entry.value for entry in entry_points(group=self._group) if entry.name == name), None)
        if target is None:
            if ":" not in name:
                raise ModelError(
                    f'there is no {self._word} "{name}"; {nearest(name, self.names())} '
                    f'(one of your own is named as "package.module:name")'
                )
            target = name
        found = self._load(name, target)
        if not isinstance(found, self._kind):
            raise ModelError(f'"{name}" is a {type(found).__name__}, not a {self._word}')
        return found

    def _load(self, name: str, target: str) -> object:
        module, _, attribute = target.partition(":")
        try:
            return getattr(import_module(module), attribute)
        except ImportError as error:
            raise ModelError(f'the {self._word} "{name}" cannot be imported: {error}') from error
        except AttributeError:
            raise ModelError(f'the module "{module}" has no "{attribute}", which the {self._word} "{name}" names') from None
