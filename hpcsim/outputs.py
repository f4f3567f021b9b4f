"""What models and stages give: names, dimensions, units, and the sizes of the dimensions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hpcsim.errors import ResultsError, nearest

#: A batch of one output: an array with a leading axis of points, or, when ragged, one array a point.
Batch = np.ndarray | Sequence[np.ndarray]
#: How an output may be drawn: over time, as times of spikes, over frequencies, as numbers against parameters, or not at all.
DRAWN_AS = ("trace", "spikes", "spectrum", "feature", "nothing")
# a name may carry its unit: "threshold (mV)" or "threshold [mV]"
_WITH_UNIT = re.compile(r"(.*\S)\s*[(\[]([^()\[\]]*)[)\]]")
#: Letters of printed units, and how units are written.
_PRINTED = str.maketrans("µμ⁻⁰¹²³⁴⁵⁶⁷⁸⁹·", "uu-0123456789 ")
#: Units of a dimension that is time, in ms.
MILLISECONDS = {"ms": 1.0, "s": 1e3, "us": 1e-3}


@dataclass(frozen=True)
class Output:
    """One array that every point has.

    Parameters
    ----------
    name : str
        The field's standard term, such as ``dipole``.
    dims : tuple of str
        Names of the dimensions of one point's array, without the leading ``point``.
        A dimension name has one size and one coordinate in a whole study.
    unit : str
        As pint reads it; empty for a pure number.
    dtype : str
        A numpy type name. Failed points hold NaN, or 0 in an integer type.
    ragged : bool
        Whether the only dimension differs in length from point to point (spike times).
        Ragged outputs that share a dimension have equal lengths in each point.
    description : str
        One line for people.
    drawn_as : str
        One of :data:`DRAWN_AS`, for reports; by default what dimensions and units say, see :meth:`Layout.drawn_as`.
    """

    name: str
    dims: tuple[str, ...] = ()
    unit: str = ""
    dtype: str = "float64"
    ragged: bool = False
    description: str = ""
    drawn_as: str = ""

    def __post_init__(self) -> None:
        if self.ragged and len(self.dims) != 1:
            raise ResultsError(f"output {self.name}: a ragged output has exactly one dimension, found {self.dims}")
        if self.drawn_as and self.drawn_as not in DRAWN_AS:
            raise ResultsError(f'output {self.name}: drawn_as is "{self.drawn_as}"; {nearest(self.drawn_as, DRAWN_AS)}')


@dataclass(frozen=True, eq=False)
class Coordinate:
    """The positions along a dimension: times, lags, names.

    Parameters
    ----------
    values : ndarray
        One per position; numbers or strings.
    unit : str
        Unit of the values.
    """

    values: np.ndarray
    unit: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", np.asarray(self.values))

    def __len__(self) -> int:
        return len(self.values)

    def same(self, other: Coordinate) -> bool:
        """Whether both are equal in values and unit."""
        return self.unit == other.unit and np.array_equal(self.values, other.values)


@dataclass(frozen=True)
class Columns:
    """Columns of an output that a name means.

    Parameters
    ----------
    output : str
    places : dict of str to int
        Where each column stands in the output, by its full name.
    """

    output: str
    places: dict[str, int]


@dataclass(frozen=True, eq=False)
class Layout:
    """A set of outputs with the coordinates of all their dimensions (ragged ones have none)."""

    outputs: Mapping[str, Output] = field(default_factory=dict)
    coordinates: Mapping[str, Coordinate] = field(default_factory=dict)

    @classmethod
    def of(cls, outputs: Iterable[Output], coordinates: Mapping[str, Coordinate] | None = None) -> Layout:
        """A layout from a list of outputs and the coordinates of their dimensions.

        Raises
        ------
        ResultsError
            If a dimension that is not ragged has no coordinate.
        """
        named = {output.name: output for output in outputs}
        known = dict(coordinates or {})
        for output in named.values():
            for dim in output.dims:
                if not output.ragged and dim not in known:
                    raise ResultsError(f'output {output.name}: dimension "{dim}" has no coordinate; known: {sorted(known)}')
        used = {dim for output in named.values() if not output.ragged for dim in output.dims}
        return cls(named, {dim: known[dim] for dim in known if dim in used})

    def __contains__(self, name: str) -> bool:
        return name in self.outputs

    def __getitem__(self, name: str) -> Output:
        try:
            return self.outputs[name]
        except KeyError:
            raise ResultsError(f'there is no output "{name}"; {nearest(name, self.outputs)}') from None

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one point's array; a ragged output has shape ``(0,)`` here."""
        output = self[name]
        return (0,) if output.ragged else tuple(len(self.coordinates[dim]) for dim in output.dims)

    def coordinate(self, name: str, dim: int = -1) -> Coordinate:
        """Coordinate of one dimension of an output, by position; the last by default."""
        return self.coordinates[self[name].dims[dim]]

    @property
    def tabular(self) -> list[str]:
        """Outputs that have columns: one number, or one row of numbers."""
        return [name for name, output in self.outputs.items() if not output.ragged and len(output.dims) < 2]

    def columns(self, name: str) -> Columns:
        """The columns that a name of features means, wherever a user writes one.

        Parameters
        ----------
        name : str
            An output, which is all of its columns (``rate``); a column (``rate.E``, or ``psd.1`` for ``psd.1.0``); the end of
            a column that no other output has (``E``). Each may be followed by its unit in brackets, as figures and tables
            print it (``rate.E (Hz)``).

        Raises
        ------
        ResultsError
            If there is none, with the nearest name; if the output is ragged or has more dimensions; or if it has another unit.
        """
        found = self._columns(name)
        if found is not None:
            return found
        plain, unit = split_unit(name)
        found = self._columns(plain) if unit is not None else None
        if found is not None and unit is not None:
            own = self[found.output].unit
            if _spelling(unit) != _spelling(own):
                raise ResultsError(f'"{name}": the unit of "{plain}" is {own or "none"}')
            return found
        output = self._output_of(plain)
        if output is None:
            known = [*self.outputs, *(column for other in self._named() for column in self._places(other))]
            raise ResultsError(f'there is no output "{plain}"; {nearest(plain, known)}')
        raise ResultsError(f'"{output}" has no column "{plain}"; {nearest(plain, self._places(output))}')

    def _columns(self, name: str) -> Columns | None:
        output = self._output_of(name)
        if output is not None:
            places = self._places(output)
            chosen = {column: places[column] for column in columns_meant(name, output, places)}
            return Columns(output, chosen) if chosen or name == output else None
        ends = [
            Columns(other, {column: place})
            for other in self._named()
            for column, place in self._places(other).items()
            if column == f"{other}.{name}"
        ]
        return ends[0] if len(ends) == 1 else None

    def _output_of(self, name: str) -> str | None:
        """The output that a name begins with."""
        if name in self.outputs:
            return name
        return max((output for output in self.outputs if name.startswith(f"{output}.")), key=len, default=None)

    def _named(self) -> list[str]:
        """Outputs whose columns have words as names; numbers say nothing by themselves."""
        return [name for name in self.tabular if self[name].dims and self.coordinate(name).values.dtype.kind in "UOST"]

    def _places(self, name: str) -> dict[str, int]:
        """All columns of an output, with their places."""
        output = self[name]
        if output.ragged or len(output.dims) > 1:
            what = "is ragged" if output.ragged else f"has the dimensions {', '.join(output.dims)}"
            raise ResultsError(
                f'the output "{name}" {what}: it has no columns; make features of it with a stage, '
                f"or use one of: {', '.join(self.tabular) or 'none'}"
            )
        labels = self.coordinate(name).values.tolist() if output.dims else []
        return {f"{name}.{label}": place for place, label in enumerate(labels)} if output.dims else {name: 0}

    def drawn_as(self, name: str) -> str:
        """How an output is drawn, one of :data:`DRAWN_AS`: as it is declared, or as its dimensions and units say.

        Ragged times are spikes; what is over time is a trace, over Hz a spectrum; one number or one row of named numbers is
        a feature.
        """
        output = self[name]
        if output.drawn_as:
            return output.drawn_as
        if output.ragged:
            return "spikes" if output.unit in MILLISECONDS else "nothing"
        unit = self.coordinates[output.dims[-1]].unit if output.dims else ""
        if unit in MILLISECONDS or unit == "Hz":
            return "spectrum" if unit == "Hz" else "trace"
        return "feature" if len(output.dims) < 2 else "nothing"

    def union(self, other: Layout) -> Layout:
        """Both together.

        Raises
        ------
        ResultsError
            If an output stands in both, or a dimension has two different coordinates.
        """
        for name in other.outputs:
            if name in self.outputs:
                raise ResultsError(f'the output "{name}" is made twice; give one of the two another name')
        for dim, coordinate in other.coordinates.items():
            if dim in self.coordinates and not self.coordinates[dim].same(coordinate):
                raise ResultsError(
                    f'the dimension "{dim}" has two different coordinates ({len(self.coordinates[dim])} and '
                    f"{len(coordinate)} values); give one of them another name"
                )
        return Layout({**self.outputs, **other.outputs}, {**self.coordinates, **other.coordinates})

    def select(self, names: Iterable[str]) -> Layout:
        """Only the named outputs, in the order of the names."""
        return Layout.of([self[name] for name in names], self.coordinates)

    def blank(self, name: str, n: int) -> Batch:
        """What ``n`` failed points hold: NaN, 0 in integers, empty where ragged."""
        output = self[name]
        if output.ragged:
            return [np.empty(0, output.dtype) for _ in range(n)]
        fill: Any = np.nan if np.dtype(output.dtype).kind in "fc" else 0
        return np.full((n, *self.shape(name)), fill, output.dtype)


def columns_meant(name: str, output: str, columns: Iterable[str]) -> tuple[str, ...]:
    """The columns that a name of an output or of one of its columns means.

    A column of that very name; all columns, by the name of the output; or the column of that number, however it is written.
    The beginning of a column is no name: ``psd.1`` is not ``psd.1.25``, and labels may have dots.

    Parameters
    ----------
    name, output : str
        What the user wrote, and the output that it begins with.
    columns : iterable of str
        Full names of columns; those of other outputs may be among them.

    Examples
    --------
    >>> columns_meant("psd.1", "psd", ["psd.1.0", "psd.1.25"]), columns_meant("psd", "psd", ["psd.1.0", "psd.1.25"])
    (('psd.1.0',), ('psd.1.0', 'psd.1.25'))
    """
    columns = tuple(columns)
    if name in columns:
        return (name,)
    if name == output:
        return tuple(column for column in columns if column.startswith(f"{output}."))
    try:
        number = float(name.removeprefix(f"{output}."))
    except ValueError:
        return ()
    # as numpy's numbers become names; a label such as "01" is a word
    spelled = {f"{output}.{number}", f"{output}.{number:.0f}"} if number.is_integer() else {f"{output}.{number}"}
    found = tuple(column for column in columns if column in spelled)
    return found if len(found) == 1 else ()


def split_unit(name: str) -> tuple[str, str | None]:
    """A name and the unit in brackets behind it; None where there are no brackets.

    Examples
    --------
    >>> split_unit("threshold (mV)"), split_unit("rate.E [Hz]"), split_unit("rate")
    (('threshold', 'mV'), ('rate.E', 'Hz'), ('rate', None))
    """
    match = _WITH_UNIT.fullmatch(name)
    return (match[1], match[2]) if match else (name, None)


def _spelling(unit: str) -> str:
    """A unit without what differs between its spellings: ``uS/cm**2`` is printed as ``µS/cm²``."""
    return re.sub(r"[\s*^]", "", unit.translate(_PRINTED))
