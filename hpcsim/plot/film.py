"""The potentials of all segments of a neuron over time, with their places: what is drawn of a neuron."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.errors import ResultsError, nearest
from hpcsim.plot.kept import output as kept_output
from hpcsim.plot.kept import rows, with_points

if TYPE_CHECKING:
    from hpcsim.collector.results import Results

#: A neuron that is drawn unless somebody says another output.
POTENTIAL = "segment_v"


@dataclass(frozen=True, eq=False)
class Film:
    """Segments of a neuron, and a value of each of them over time.

    Parameters
    ----------
    position : ndarray, um
        Shape (n_segment, 2, 3): start and end; x, y, z.
    diameter : ndarray, um
        Shape (n_segment,).
    values : ndarray
        Shape (n_segment, n_time), mostly potentials in mV.
    time : ndarray
        Shape (n_time,).
    kind : ndarray of str
        Shape (n_segment,), of the sections, such as ``soma`` and ``apic``; empty where it is not known.
    unit, time_unit : str

    Raises
    ------
    ResultsError
        If shapes do not belong together, or there is nothing.
    """

    position: np.ndarray
    diameter: np.ndarray
    values: np.ndarray
    time: np.ndarray
    kind: np.ndarray
    unit: str = "mV"
    time_unit: str = "ms"

    def __post_init__(self) -> None:
        n = len(self.position)
        shapes = [np.shape(part) for part in (self.position, self.diameter, self.values, self.time, self.kind)]
        if not n or shapes != [(n, 2, 3), (n,), (n, len(self.time)), (len(self.time),), (n,)] or not len(self.time):
            raise ResultsError(
                f"found segments with the shapes {shapes}; expected (n, 2, 3), (n,), (n, times), (times,) and (n,): positions, "
                "diameters, values, times and kinds"
            )

    @classmethod
    def of(cls, results: Results, point: str = "", output: str = POTENTIAL) -> Film:
        """The neuron of a point.

        Parameters
        ----------
        results : Results
        point : str
            Id, of which the first digits do; the first point that succeeded by default.
        output : str
            One over segments and time, whose segments have positions and diameters among the outputs that were kept.

        Raises
        ------
        ResultsError
            If it was not kept, or its geometry was not, or there is no such point.
        """
        with_points(results)
        layout = results.table.layout
        declared = kept_output(results, output)
        if declared.ragged or len(declared.dims) != 2:
            raise ResultsError(f'{results.path}: the output "{output}" is not over segments and time, but {declared.dims}')
        segment, time = declared.dims
        # whatever their names are: over the same segments
        places = [o.name for o in layout.outputs.values() if o.dims == (segment, "end", "axis")]
        widths = [o.name for o in layout.outputs.values() if o.dims == (segment,) and o.unit == "um"]
        if not places or not widths:
            raise ResultsError(
                f'{results.path}: "{output}" was kept without the places of its segments; name segment_position and '
                "segment_diameter (or what they are called in this model) in [outputs] keep; kept were: "
                f"{', '.join(layout.outputs)}"
            )
        row = int(rows(results, [point])[0]) if point else int(rows(results)[0])
        one = slice(row, row + 1)
        kind = layout.coordinates[segment].values
        kind = kind.astype(str) if kind.dtype.kind in "USO" else np.full(len(kind), "")
        position, diameter, values = (results.table.array(name, one)[0] for name in (places[0], widths[0], output))
        clock = layout.coordinates[time]
        return cls(position, diameter, values, np.asarray(clock.values, float), kind, declared.unit, clock.unit)

    def at(self, time: float) -> int:
        """Which sample is nearest to a time."""
        return int(np.abs(self.time - time).argmin())

    def without(self, kinds: tuple[str, ...]) -> Film:
        """The same without sections of some kinds; where all are of these kinds, all stay."""
        stay = ~np.isin(self.kind, kinds)
        if not stay.any():
            return self
        parts = (self.position[stay], self.diameter[stay], self.values[stay], self.time, self.kind[stay])
        return Film(*parts, self.unit, self.time_unit)

    def limits(self) -> tuple[float, float]:
        """Least and largest value."""
        good = self.values[np.isfinite(self.values)]
        if not len(good):
            raise ResultsError("no value of the neuron is finite: there is nothing to colour it by")
        low, high = float(good.min()), float(good.max())
        return (low, high) if low < high else (low - 1, high + 1)

    def save(self, path: Path) -> None:
        """Write it for another process."""
        np.savez(path, **{name: getattr(self, name) for name in self.__dataclass_fields__})

    @classmethod
    def load(cls, path: Path) -> Film:
        """What `save` wrote."""
        with np.load(path, allow_pickle=False) as held:
            parts: Any = {name: held[name] if held[name].shape else str(held[name]) for name in held}
        return cls(**parts)


def of_places(film: Film, places: dict[str, int] | None) -> dict[str, int]:
    """Names and segments of the traces beside a neuron: those that were given, or the soma and the one that is highest.

    Raises
    ------
    ResultsError
        If there is no such segment.
    """
    if places is not None:
        for name, index in places.items():
            if not 0 <= index < len(film.position):
                raise ResultsError(f"{name} is segment {index}; the neuron has segments 0 to {len(film.position) - 1}")
        return places
    soma = np.flatnonzero(film.kind == "soma")
    found = {"soma": int(soma[len(soma) // 2])} if len(soma) else {}
    top = int(film.position[:, :, 2].max(axis=1).argmax())
    return {**found, "top": top}


def axis_number(name: str) -> int:
    """Index of an axis by its name.

    Raises
    ------
    ResultsError
        If there is none of that name.
    """
    if name not in tuple("xyz"):
        raise ResultsError(f'there is no axis "{name}"; {nearest(name, "xyz")}')
    return "xyz".index(name)
