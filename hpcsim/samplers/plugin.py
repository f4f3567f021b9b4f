"""Samplers by name: what each is called, which options it has, and what must be installed for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar, Unpack

from hpcsim.errors import StudyError
from hpcsim.plugin import Plugin, PluginFields, first_line
from hpcsim.registry import Registry
from hpcsim.samplers.problem import SearchProblem
from hpcsim.samplers.sampler import Sampler
from hpcsim.space.options import complete_options
from hpcsim.space.parameter import Parameter

_S = TypeVar("_S", bound=type[Sampler])
_ATTRIBUTE = "hpcsim_sampler"

_BUILT_IN = {
    "cma_es": "hpcsim.samplers.cma_es:CMAES",
    "gest": "hpcsim.samplers.gest:Gest",
    "ibea": "hpcsim.samplers.evolution.ibea:IBEA",
    "nsga2": "hpcsim.samplers.evolution.nsga:NSGA2",
    "nsga3": "hpcsim.samplers.evolution.nsga:NSGA3",
    "optuna": "hpcsim.samplers.optuna:Optuna",
    "steady_state": "hpcsim.samplers.evolution.steady_state:SteadyState",
    "tsnpe": "hpcsim.samplers.tsnpe:TSNPE",
    "uniform": "hpcsim.samplers.uniform:Uniform",
    "walk": "hpcsim.samplers.walk:Walk",
}


@dataclass(frozen=True)
class SamplerPlugin(Plugin):
    """A sampler as a study names it.

    Parameters
    ----------
    name, version : str
        As of every :class:`~hpcsim.plugin.Plugin`, like `engine`, `extra`, `requires`, `source` and `description`.
    kind : type of Sampler
        Made with the problem, the seed, the start points, and the options by keyword.
    options : tuple of Parameter
        What a user may set.
    tables : tuple of str
        Options that are a mapping (a table in TOML) or None.
    """

    word: ClassVar[str] = "sampler"
    group: ClassVar[str] = "hpcsim.samplers"

    kind: type[Sampler]
    options: tuple[Parameter, ...] = ()
    tables: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, found: object) -> Self | None:
        """The plug-in of a class of samplers; one that was not decorated has no options."""
        if not isinstance(found, type) or not issubclass(found, Sampler):
            return None
        plugin = vars(found).get(_ATTRIBUTE)
        return plugin if isinstance(plugin, cls) else cls(name, "1", found, description=first_line(found))

    def complete(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The given options, checked, and the defaults of all others.

        Raises
        ------
        StudyError
            With every mistake.
        """
        complete, problems = complete_options(self.name, self.options, options, tables=self.tables, key="sampler")
        if problems:
            raise StudyError(problems, "sampler")
        return complete

    def __call__(
        self,
        problem: SearchProblem,
        seed: int = 0,
        start: Sequence[Mapping[str, Any]] = (),
        options: Mapping[str, Any] | None = None,
    ) -> Sampler:
        """A sampler at its beginning.

        Raises
        ------
        PluginError
            If the engine is not installed.
        StudyError
            If an option or a start point is wrong.
        """
        self.check_installed()
        return self.kind(problem, seed, start, **self.complete(options or {}))


def sampler(
    name: str,
    *,
    version: str = "1",
    options: Sequence[Parameter] = (),
    tables: tuple[str, ...] = (),
    **about: Unpack[PluginFields],
) -> Callable[[_S], _S]:
    """Give a class of samplers its name and options.

    Parameters
    ----------
    name, version, options, tables
        As of :class:`SamplerPlugin`.
    **about
        The other fields of :class:`SamplerPlugin`.
    """

    def decorate(kind: _S) -> _S:
        about.setdefault("description", first_line(kind))
        setattr(kind, _ATTRIBUTE, SamplerPlugin(name, version, kind, tuple(options), tables, **about))
        return kind

    return decorate


_REGISTRY = Registry(SamplerPlugin, _BUILT_IN)


def sampler_names() -> list[str]:
    """Names of all samplers: the built-in ones, and those of entry points of the group ``hpcsim.samplers``."""
    return _REGISTRY.names()


def get_sampler(name: str, folders: Sequence[Path] | None = None) -> SamplerPlugin:
    """The sampler of that name; a third party's is found by entry point or as ``package.module:name``.

    Raises
    ------
    PluginError
        If there is none, it cannot be imported, or it is no sampler.
    """
    return _REGISTRY.get(name, folders)
