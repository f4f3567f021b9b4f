"""What a model is: declared parameters, declared outputs, and a function that simulates points."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.errors import SimulationError, nearest
from hpcsim.outputs import Coordinate, Layout, Output
from hpcsim.space.parameter import Parameter, Value

#: How a parameter or an option names another study.
STUDY = "study:"


@dataclass(frozen=True)
class Point:
    """One complete set of parameter values and a replicate number.

    Parameters
    ----------
    values : mapping of str to value
        Every parameter of the model, in the unit that the model declares.
    id : str
        32 hexadecimal digits, see :mod:`hpcsim.space.identity`.
    replicate : int
        Counts from 0.
    seed : int
        64 bits, from the study's seed and the id.
    """

    values: Mapping[str, Value]
    id: str
    replicate: int
    seed: int

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


@dataclass(frozen=True, eq=False)
class Points(Sequence[Point]):
    """A batch of points by columns.

    Parameters
    ----------
    columns : mapping of str to ndarray
        One array of length n a parameter (numbers as float64/int64, the others as objects).
    ids : sequence of str
    replicates, seeds : ndarray of int64 and uint64
    """

    columns: Mapping[str, np.ndarray]
    ids: Sequence[str]
    replicates: np.ndarray
    seeds: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, (int, np.integer)):
            values = {
                name: column[index].item() if isinstance(column[index], np.generic) else column[index]
                for name, column in self.columns.items()
            }
            return Point(values, self.ids[int(index)], int(self.replicates[index]), int(self.seeds[index]))
        ids = self.ids[index] if isinstance(index, slice) else [self.ids[i] for i in np.arange(len(self))[index]]
        return Points(
            {name: column[index] for name, column in self.columns.items()},
            ids,
            self.replicates[index],
            self.seeds[index],
        )

    def __iter__(self) -> Iterator[Point]:
        return (self[i] for i in range(len(self)))


def _ignore(fraction: float) -> None:
    del fraction


@dataclass(eq=False)
class Context:
    """What a model and its stages may use while they compute.

    Parameters
    ----------
    threads : int
        How many threads one point may use in this process.
    cache : Path
        Where compiled things may be kept between runs.
    inputs : mapping of str to Table
        Results of other studies, by the name of the study (:class:`hpcsim.collector.table.Table`).
    layout : Layout
        Of all outputs of the study, with the coordinates of their dimensions: time steps, names of populations.
    communicator : object
        The MPI communicator of this task, or None.
    progress : callable
        Tell how much of the present batch is done, from 0 to 1. It is also where a
        request to stop is heard: call it every second or so of a long simulation.
    memo : dict
        Lives as long as the process; for what several batches share (a kernel, a head model).
    """

    threads: int = 1
    cache: Path = Path()
    inputs: Mapping[str, Any] = field(default_factory=dict)
    layout: Layout = field(default_factory=Layout)
    communicator: Any = None
    progress: Callable[[float], None] = _ignore
    memo: dict[Any, Any] = field(default_factory=dict)

    def input(self, value: Any) -> Any:
        """Results of the study that a parameter or an option names.

        Parameters
        ----------
        value : str
            ``study:NAME``.

        Raises
        ------
        SimulationError
            If it names none.
        """
        name = str(value).removeprefix(STUDY)
        if name not in self.inputs:
            raise SimulationError(f'there are no results of the study "{name}"; give study:NAME, {nearest(name, self.inputs)}')
        return self.inputs[name]


def cache_directory() -> Path:
    """Where compiled things are kept between runs: ``HPCSIM_CACHE``, or the user's cache folder."""
    given = os.environ.get("HPCSIM_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hpcsim"


def _no_coordinates(values: Mapping[str, Value]) -> Mapping[str, Coordinate]:
    del values
    return {}


def _no_problem(values: Mapping[str, Value]) -> str:
    del values
    return ""


def _nothing() -> Mapping[str, str]:
    return {}


def _any_ranks(values: Mapping[str, Value], ranks: int, threads: int) -> str:
    del values, ranks, threads
    return ""


@dataclass(frozen=True)
class Parallel:
    """How a model runs on several MPI ranks; its results do not depend on their number.

    Parameters
    ----------
    world : callable
        Starts the simulator's MPI, and returns how many ranks it sees.
    check : callable
        ``check(values, ranks, threads)``: why a point cannot be spread over these ranks, or "".
    """

    world: Callable[[], int]
    check: Callable[[Mapping[str, Value], int, int], str] = _any_ranks


@dataclass(frozen=True)
class Model:
    """A simulator with declared parameters and outputs.

    Parameters
    ----------
    name : str
        ``engine.what``, such as ``nest.hagen_lif``.
    version : str
        Raised whenever equal parameters may give other values.
    parameters, outputs : tuple
        All of them.
    simulate : callable
        ``simulate(point, context)`` for one point, or ``simulate(points, context)`` where
        `batch` is given. Returns a mapping from output names to arrays (with a leading
        axis of points where `batch` is given).
    coordinates : callable
        From parameter values to the coordinates of all dimensions that are not ragged.
    check : callable
        From parameter values to a sentence that says why they make no sense together, or "".
    batch : int, optional
        The most points of one call. Without it, `simulate` is called with one point.
    engine, extra : str
        The module that must be importable, and the extra of hpcsim that installs it.
    requires : tuple of str
        Distributions whose versions are part of what made the numbers.
    identity : callable
        More of what made the numbers (hashes of mechanisms, compiler flags).
    parallel : Parallel, optional
        For models that run on several MPI ranks, point by point: every rank is called with every point, and returns all
        outputs.
    prepare : callable, optional
        Called once before tasks start, with a context; compiles what they share.
    inputs : tuple of str
        Those parameters that name another study (``study:NAME``); its results reach `simulate` as ``context.inputs[NAME]``.
        They have one value in a study.
    presets : mapping of str to mapping
        Named sets of parameter values.
    source : str
        The paper.
    description : str
        One line for people.
    """

    name: str
    version: str
    parameters: tuple[Parameter, ...]
    outputs: tuple[Output, ...]
    simulate: Callable[[Any, Context], Mapping[str, Any]]
    coordinates: Callable[[Mapping[str, Value]], Mapping[str, Coordinate]] = _no_coordinates
    check: Callable[[Mapping[str, Value]], str] = _no_problem
    batch: int | None = None
    engine: str = ""
    extra: str = ""
    requires: tuple[str, ...] = ()
    identity: Callable[[], Mapping[str, str]] = _nothing
    parallel: Parallel | None = None
    inputs: tuple[str, ...] = ()
    prepare: Callable[[Context], None] | None = None
    presets: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    source: str = ""
    description: str = ""

    def parameter(self, name: str) -> Parameter | None:
        """The parameter of that name, or None."""
        return next((parameter for parameter in self.parameters if parameter.name == name), None)

    def defaults(self) -> dict[str, Value]:
        """Default value of every parameter."""
        return {parameter.name: parameter.default for parameter in self.parameters}

    def layout(self, values: Mapping[str, Value]) -> Layout:
        """Outputs with the sizes that they have at these parameter values."""
        return Layout.of(self.outputs, self.coordinates({**self.defaults(), **values}))

    @property
    def installed(self) -> bool:
        """Whether the engine can be imported (it is not imported to find out)."""
        return not self.engine or find_spec(self.engine) is not None


def model(
    name: str,
    *,
    parameters: Sequence[Parameter],
    outputs: Sequence[Output],
    version: str = "1",
    **more: Any,
) -> Callable[[Callable[..., Mapping[str, Any]]], Model]:
    """Make a function that simulates into a :class:`Model`.

    Examples
    --------
    >>> from hpcsim import Output, Parameter, model
    >>> @model("toy.square", parameters=[Parameter("x", 2.0)], outputs=[Output("y")])
    ... def square(point, context):
    ...     return {"y": point["x"] ** 2}
    >>> square.name, square.defaults()
    ('toy.square', {'x': 2.0})
    """

    def decorate(simulate: Callable[..., Mapping[str, Any]]) -> Model:
        lines = (simulate.__doc__ or "").strip().splitlines()
        more.setdefault("description", lines[0] if lines else "")
        return Model(name, version, tuple(parameters), tuple(outputs), simulate, **more)

    return decorate
