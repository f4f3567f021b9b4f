"""The settings of studies side by side: parameters, stages, what is kept, versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Sections of a study that name or describe, and parts of a recipe that other sections have.
_LEFT_OUT = ("study.name", "study.description", "study.scale", "study.preset")
_OF_RECIPE = ("model_version", "identity", "versions", "inputs", "source")
#: Characters of a value that are shown.
_SHOWN = 60


@dataclass(frozen=True)
class Difference:
    """A setting that is not the same in all studies.

    Parameters
    ----------
    section : str
        parameters, study, design, stages, outputs, resources, inference, sampler or made by.
    name : str
    values : tuple
        One a study; None where it has no such setting.
    """

    section: str
    name: str
    values: tuple[Any, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """The values as a table shows them."""
        return tuple(map(_text, self.values))


def differing(studies: Sequence[Mapping[str, Any]]) -> tuple[Difference, ...]:
    """What is not the same in the tables of some studies, section by section."""
    flat = [dict(_settings(tables)) for tables in studies]
    keys = dict.fromkeys(key for settings in flat for key in settings)
    found = [Difference(*key, tuple(settings.get(key) for settings in flat)) for key in keys]
    return tuple(one for one in found if any(value != one.values[0] for value in one.values[1:]))


def _settings(tables: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Any]]:
    for name, value in _parameters(tables):
        yield ("parameters", name), value
    for section in ("study", "design", "sampler", "stages", "outputs", "inference", "resources"):
        for name, value in _flat(tables.get(section, {}), ""):
            if f"{section}.{name}" not in _LEFT_OUT:
                yield (section, name), value
    recipe = tables.get("recipe", {})
    for part in _OF_RECIPE:
        if part in recipe:
            for name, value in _flat(recipe[part], part):
                yield ("made by", name), value


def _parameters(tables: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Values and distributions of all parameters; one value of a list is the same as a fixed one."""
    space = dict(tables.get("space", {}))
    together = space.pop("zip", {})
    groups = together if isinstance(together, list) else [together]
    every = {**tables.get("fixed", {}), **space, **{name: entry for group in groups for name, entry in group.items()}}
    for name in sorted(every):
        entry = every[name]
        varies = name in space and isinstance(entry, (list, Mapping))
        yield name, entry[0] if varies and isinstance(entry, list) and len(entry) == 1 else _plain(entry)


def _plain(value: Any) -> Any:
    # 1 and 1.0 are the same value
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _flat(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _flat(item, f"{prefix}.{name}" if prefix else str(name))
    elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        for number, item in enumerate(value):
            yield from _flat(item, f"{prefix}[{number}]" if prefix else f"{number}")
    else:
        yield prefix, _plain(value)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, list) and len(value) > 4:
        return f"[{_text(value[0])}, {_text(value[1])}, ... {_text(value[-1])}]: {len(value)}"
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(item)}" for name, item in value.items())
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
