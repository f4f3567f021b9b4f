"""Results of a grid as labelled arrays with one dimension a parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from hpcsim.collector.format.guard import damaged
from hpcsim.collector.format.schema import STATUSES
from hpcsim.collector.format.table import Table
from hpcsim.errors import ResultsError
from hpcsim.space.distribution import Enumerated
from hpcsim.space.parameter import Parameter
from hpcsim.space.table import read

if TYPE_CHECKING:
    import xarray as xr

#: What `status` says where there is no row.
MISSING = "missing"
REPLICATE = "replicate"
#: Results may hold parameters as float32.
_CLOSE = 1e-6


class Source(Protocol):
    """What is asked of :class:`hpcsim.collector.results.Results`."""

    path: Path
    table: Table

    @property
    def study(self) -> Mapping[str, Any]: ...  # noqa: D102

    @property
    def units(self) -> Mapping[str, str]: ...  # noqa: D102

    def rows(self, name: str, rows: np.ndarray) -> np.ndarray: ...  # noqa: D102

    def __len__(self) -> int: ...


def gridded(results: Source, outputs: Sequence[str]) -> xr.Dataset:
    """See :meth:`hpcsim.collector.results.Results.grid`."""
    import xarray as xr

    axes = _axes(results)
    replicates = int(results.study.get("study", {}).get("replicates", 1))
    shape = (*(len(next(iter(axis.values()))) for axis in axes), replicates)
    rows, cells = _cells(results, axes, shape)
    dims = (*map(_dimension, axes), REPLICATE)
    layout, table = results.table.layout, results.table
    clash = {*dims} & {dim for name in outputs for dim in layout[name].dims}
    if clash:
        raise ResultsError(f"{results.path}: {', '.join(sorted(clash))} is both a parameter and a dimension of an output")
    coords: dict[str, Any] = {REPLICATE: np.arange(replicates)}
    for dim, size, axis in zip(dims, shape, axes, strict=False):
        coords[dim] = np.arange(size)
        for name, values in axis.items():
            coords[name] = (dim, values, _attributes(results, name))
    word = np.array([*STATUSES, MISSING])
    status = np.full(shape, len(STATUSES))
    status[cells] = table.array("status")[rows]
    identity = np.full(shape, "", "U32")
    identity[cells] = table.ids().astype(str)[rows]
    data: dict[str, Any] = {"status": (dims, word[status]), "id": (dims, identity)}
    for name in outputs:
        declared = layout[name]
        values = results.rows(name, rows)
        # a number that is missing is NaN, which whole numbers do not have
        kind = values.dtype if values.dtype.kind == "f" else np.float64
        full = np.full((*shape, *layout.shape(name)), np.nan, kind)
        full[cells] = np.where(_mask(table.good[rows], values.ndim), values, np.nan)
        attributes = _attributes(results, name) | ({"long_name": declared.description} if declared.description else {})
        data[name] = ((*dims, *declared.dims), full, attributes)
        for dim in declared.dims:
            if dim in layout.coordinates:
                coordinate = layout.coordinates[dim]
                coords[dim] = (dim, coordinate.values, {"units": coordinate.unit} if coordinate.unit else {})
    return xr.Dataset(data, coords, {"study": str(table.attrs.get("study", "")), "model": str(table.attrs.get("model", ""))})


def _axes(results: Source) -> list[dict[str, np.ndarray]]:
    """For each dimension of the grid its parameters, and their values in ascending order of the first one."""
    study = results.study
    entries: Mapping[str, Any] = study.get("space", {})
    together = entries.get("zip", {})
    groups = list(together) if isinstance(together, list) else [together] if together else []
    groups = [{name: entry} for name, entry in entries.items() if name != "zip"] + groups
    axes, drawn = [], []
    for group in groups:
        axis = {}
        for name, entry in group.items():
            found = read(entry, _parameter(results, name))
            if isinstance(found, Enumerated):
                axis[name] = found.at(np.arange(len(found)))
            else:
                drawn.append(name)
        if axis:
            order = np.argsort(next(iter(axis.values())), kind="stable")
            axes.append({name: values[order] for name, values in axis.items()})
    if study.get("sampler") or drawn:
        what = f"{', '.join(drawn)} drawn" if drawn else "points that a sampler chose"
        raise ResultsError(
            f"{results.path} has no grid: the study has {what}; results.to_pandas() gives all points as a table, and "
            "results.dataset as arrays"
        )
    return axes


def _dimension(axis: dict[str, np.ndarray]) -> str:
    """Name of a dimension: its first parameter, or another one where values repeat, which are no labels."""
    first, values = next(iter(axis.items()))
    return first if len(np.unique(values)) == len(values) else f"zip_{first}"


def _parameter(results: Source, name: str) -> Parameter:
    """A parameter of the results, by the type of its column: bounds were checked when it ran."""
    first = results.table.array(name, slice(0, 1))
    default: Any = first[0].item() if first.ndim == 1 and len(first) else 0.0
    if first.ndim > 1:
        raise ResultsError(f"{results.path}: {name} is a list of numbers, which cannot be a dimension; use results.to_pandas()")
    if results.table.roles.get(name) != "parameter":
        raise damaged(results.path, f'the study draws "{name}", which is no parameter of the file')
    parameter = Parameter(name, default, results.units[name])
    return replace(parameter, bounds=(None, None))


def _cells(
    results: Source, axes: list[dict[str, np.ndarray]], shape: tuple[int, ...]
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Rows that belong to the grid, and their place along each dimension."""
    everywhere = np.arange(len(results))
    inside = np.ones(len(results), bool)
    places = []
    for axis in axes:
        place = _place(axis, results.table)
        inside &= place >= 0
        places.append(place)
    number = results.table.array(REPLICATE)
    inside &= number < shape[-1]
    rows = everywhere[inside]
    return rows, tuple(place[inside] for place in (*places, number))


def _place(axis: dict[str, np.ndarray], table: Table) -> np.ndarray:
    """Where each row stands along an axis, by all parameters that go together there; -1 where it does not."""
    place, rank = np.zeros(1, int), np.zeros(1, int)
    for name, values in axis.items():
        column = table.array(name)
        # values that differ in the study may be the same in the results
        kept = values.astype(column.dtype) if column.dtype.kind == "f" else values
        distinct, number = np.unique(kept, return_inverse=True)
        found = _nearest(distinct, column)
        # a number for all names so far, of the axis and of the rows
        pairs, rank = np.unique(rank * len(distinct) + number, return_inverse=True)
        pair = place * len(distinct) + found
        at = np.minimum(np.searchsorted(pairs, pair), len(pairs) - 1)
        place = np.where((place >= 0) & (found >= 0) & (pairs[at] == pair), at, -1)
    first = np.unique(rank, return_index=True)[1]
    return np.where(place >= 0, first[place], -1)


def _nearest(axis: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Where values stand in an ascending list; -1 where they do not."""
    if axis.dtype.kind not in "iuf":
        known = {value: i for i, value in enumerate(axis.tolist())}
        return np.array([known.get(value, -1) for value in values.tolist()], int)
    right = np.clip(np.searchsorted(axis, values), 1, max(1, len(axis) - 1))
    left = right - 1
    right = np.minimum(right, len(axis) - 1)
    place = np.where(np.abs(values - axis[left]) <= np.abs(values - axis[right]), left, right)
    return np.where(np.isclose(axis[place], values, rtol=_CLOSE, atol=0.0), place, -1)


def _mask(good: np.ndarray, dims: int) -> np.ndarray:
    return good.reshape(-1, *[1] * (dims - 1))


def _attributes(results: Source, name: str) -> dict[str, str]:
    unit = results.units.get(name, "")
    return {"units": unit} if unit else {}
