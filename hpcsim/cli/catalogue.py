"""Everything that has a name: models, stages, inference methods, samplers, executors, sites and shipped studies."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpcsim.errors import HpcsimError, PluginError, nearest


@dataclass(frozen=True)
class Entry:
    """Something with a name.

    Parameters
    ----------
    kind, name, description : str
    item : Plugin or Path, optional
        What the name leads to; None where it is broken.
    missing : str
        What installs it, or what is wrong with it; empty where it can be used.
    """

    kind: str
    name: str
    description: str
    item: Any
    missing: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For scripts: options or parameters, and outputs of a model, as well."""
        about: dict[str, Any] = {"kind": self.kind, "name": self.name, "description": self.description, "missing": self.missing}
        if isinstance(self.item, Path) or self.item is None:
            return {**about, "path": str(self.item or "")}
        about |= {"version": self.item.version, "source": self.item.source}
        for word in ("parameters", "options"):
            if hasattr(self.item, word):
                about[word] = [_parameter(one) for one in getattr(self.item, word)]
        if self.kind == "model":
            about["outputs"] = [
                {"name": o.name, "dims": o.dims, "unit": o.unit, "ragged": o.ragged, "description": o.description}
                for o in self.item.outputs
            ]
            about["presets"] = list(self.item.presets)
        return about


#: How to find things of a kind: their names, and what a name leads to.
_Finder = tuple[Callable[[], Iterable[str]], Callable[[str], Any]]


def _finders() -> dict[str, _Finder]:
    from hpcsim.inference.method import get_method, method_names
    from hpcsim.models.registry import MODELS
    from hpcsim.paths import shipped_studies
    from hpcsim.samplers import get_sampler, sampler_names
    from hpcsim.scheduler.executors import executor_names, get_executor
    from hpcsim.scheduler.site.files import sites
    from hpcsim.stages.registry import STAGES

    return {
        "model": (MODELS.names, MODELS.get),
        "stage": (STAGES.names, STAGES.get),
        "method": (method_names, get_method),
        "sampler": (sampler_names, get_sampler),
        "executor": (executor_names, lambda name: get_executor(name, installed=False)),
        "site": (sites, lambda name: sites()[name]),
        "study": (shipped_studies, lambda name: shipped_studies()[name]),
    }


def entries(kinds: Iterable[str] = ()) -> list[Entry]:
    """All of some kinds, or of every kind."""
    found = _finders()
    return [_entry(kind, name, found[kind][1]) for kind in (kinds or found) for name in found[kind][0]()]


def find_entries(name: str) -> list[Entry]:
    """What a name leads to, of all kinds that know it; ``module:name`` is a model of the user's own.

    Raises
    ------
    PluginError
        If there is nothing of that name, or it is broken.
    """
    known = {kind: list(names()) for kind, (names, _) in _finders().items()}
    found = [
        _entry(kind, name, _finders()[kind][1]) for kind in known if name in known[kind] or (kind == "model" and ":" in name)
    ]
    if not found:
        hint = nearest(name, {one for names in known.values() for one in names})
        raise PluginError(f'there is no {", ".join(known)} "{name}"; {hint}')
    if broken := [entry for entry in found if entry.item is None]:
        raise PluginError(broken[0].missing)
    return found


def _entry(kind: str, name: str, get: Callable[[str], Any]) -> Entry:
    from hpcsim.plugin import install_command, not_installed
    from hpcsim.study.file import read

    try:
        item = get(name)
        if isinstance(item, Path):
            tables = read(item)
            return Entry(kind, name, str(tables.get("study", tables).get("description", "")), item)
    except HpcsimError as error:
        return Entry(kind, name, "", None, str(error))
    missing = ""
    if not item.installed:
        missing = install_command(item.extra) if item.extra else not_installed(f'the {item.word} "{name}"', item.engine)
    return Entry(kind, name, item.description, item, missing)


def _parameter(one: Any) -> dict[str, Any]:
    return {
        "name": one.name,
        "default": one.default,
        "unit": one.unit,
        "bounds": one.bounds,
        "choices": one.choices,
        "description": one.description,
    }
