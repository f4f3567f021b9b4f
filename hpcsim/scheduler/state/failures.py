"""Which points of a study failed, and why: those that say the same stand together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.collector.format.pick import pick
from hpcsim.collector.format.schema import STATUSES
from hpcsim.collector.format.table import Table, finished
from hpcsim.errors import HpcsimError
from hpcsim.scheduler.log.reason import alike, printable
from hpcsim.study.history import fingerprints

if TYPE_CHECKING:
    from hpcsim.study.directory import StudyDirectory
    from hpcsim.study.study import Study

#: Failed rows of a file that are read: the last ones.
_ROWS = 20_000


@dataclass(frozen=True)
class Failure:
    """A point that failed.

    Parameters
    ----------
    id : str
    status : str
        failed, crashed or timeout.
    reason : str
    values : mapping of str to value
        Of the parameters that differ between points, and the replicate where there are several.
    """

    id: str
    status: str
    reason: str
    values: Mapping[str, Any]

    def __str__(self) -> str:
        values = ", ".join(f"{name} = {_show(value)}" for name, value in self.values.items())
        return f"{self.id[:12]}" + (f" ({values})" if values else "")


@dataclass(frozen=True)
class FailureGroup:
    """Points that failed alike.

    Parameters
    ----------
    status, reason : str
        Where reasons differ in numbers and paths only, these are blanked.
    failures : tuple of Failure
    """

    status: str
    reason: str
    failures: tuple[Failure, ...]


def failed_points(study: Study, directory: StudyDirectory) -> list[Failure]:
    """The failed points in results and shards, apart from those that succeeded later; of very many the last."""
    names = [*(name for axis in study.space.axes for name in axis.lists), *study.space.sampled]
    names += ["replicate"] if study.file.study.replicates > 1 else []
    found: dict[str, Failure] = {}
    held = directory.result_files()
    for path in held:
        try:
            with Table(path) as table:
                found |= {failure.id: failure for failure in _failures(table, names)}
        except (OSError, KeyError, RuntimeError, HpcsimError):
            # gone meanwhile, or damaged: the collector says so
            continue
    if not found:
        return []
    succeeded = finished(held, np.array(list(found), "S32"), fingerprints(study, directory), ok=True)
    return [failure for failure, late in zip(found.values(), succeeded, strict=True) if not late]


def _failures(table: Table, names: Iterable[str]) -> Iterable[Failure]:
    bad, ended, _ = table.failed(_ROWS)
    ids, errors = pick(table, "id", bad), pick(table, "error", bad)
    columns = {name: pick(table, name, bad) for name in names if name in table.roles}
    for row, id in enumerate(ids):
        values = {name: column[row] for name, column in columns.items()}
        yield Failure(str(id), STATUSES[ended[row]], printable(str(errors[row])), values)


def grouped(failures: Iterable[Failure]) -> list[FailureGroup]:
    """Failures with one status and the same reason together, the most frequent first."""
    groups: dict[tuple[str, str], list[Failure]] = {}
    for failure in failures:
        groups.setdefault((failure.status, alike(failure.reason)), []).append(failure)
    every = [
        FailureGroup(status, _common({failure.reason for failure in group}, text), tuple(group))
        for (status, text), group in groups.items()
    ]
    return sorted(every, key=lambda group: -len(group.failures))


def merged(reasons: Counter[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """Counts of statuses and reasons, with those added up that say the same."""
    texts: dict[tuple[str, str], set[str]] = {}
    counts = Counter[tuple[str, str]]()
    for (status, reason), count in reasons.items():
        key = status, alike(reason)
        texts.setdefault(key, set()).add(reason)
        counts[key] += count
    return Counter({(key[0], _common(texts[key], key[1])): count for key, count in counts.items()})


def _common(reasons: set[str], text: str) -> str:
    return next(iter(reasons)) if len(reasons) == 1 else text


def _show(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"[{', '.join(map(_show, value[:4]))}{', ...' if len(value) > 4 else ''}]"
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
