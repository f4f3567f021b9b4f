"""What a model is: declared parameters, declared outputs, and a function that simulates points."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Unpack

from hpcsim.errors import SimulationError, nearest
from hpcsim.outputs import Coordinate, Layout, Output
from hpcsim.plugin import Plugin, PluginFields, first_line
from hpcsim.space.parameter import Parameter, Value
from hpcsim.study_reference import StudyReference


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
        Results of other studies, by the name of the study (:class:`hpcsim.collector.format.table.Table`).
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
        reference = StudyReference.of(value)
        name = reference.name if reference else ""
        if name not in self.inputs:
            raise SimulationError(f'there are no results of the study "{name}"; give study:NAME, {nearest(name, self.inputs)}')
        return self.inputs[name]


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
class Model(Plugin):
    """A simulator with declared parameters and outputs.

    Parameters
    ----------
    name, version : str
        As of every :class:`~hpcsim.plugin.Plugin`, like `engine`, `extra`, `requires`, `source` and `description`.
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
    identity : callable
        More of what made the numbers (hashes of mechanisms, compiler flags).
    parallel : Parallel, optional
        For models that run on several MPI ranks, point by point: every rank is called with every point, and returns all
        outputs.
    prepare : callable, optional
        Called once before tasks start, with a context; compiles what they share. What it returns is not used.
    inputs : tuple of str
        Those parameters that name another study (``study:NAME``); its results reach `simulate` as ``context.inputs[NAME]``.
        They have one value in a study.
    presets : mapping of str to mapping
        Named sets of parameter values.
    files : tuple of str
        Data that a model of the user's own reads: paths that begin at its module's folder. Their content is part of what
        made the numbers, and they are stored with the study.
    """

    word: ClassVar[str] = "model"
    group: ClassVar[str] = "hpcsim.models"

    parameters: tuple[Parameter, ...]
    outputs: tuple[Output, ...]
    simulate: Callable[[Any, Context], Mapping[str, Any]]
    coordinates: Callable[[Mapping[str, Value]], Mapping[str, Coordinate]] = _no_coordinates
    check: Callable[[Mapping[str, Value]], str] = _no_problem
    batch: int | None = None
    identity: Callable[[], Mapping[str, str]] = _nothing
    parallel: Parallel | None = None
    inputs: tuple[str, ...] = ()
    prepare: Callable[[Context], object] | None = None
    presets: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    files: Sequence[str] = ()

    def parameter(self, name: str) -> Parameter | None:
        """The parameter of that name, or None."""
        return next((parameter for parameter in self.parameters if parameter.name == name), None)

    def defaults(self) -> dict[str, Value]:
        """Default value of every parameter."""
        return {parameter.name: parameter.default for parameter in self.parameters}

    def layout(self, values: Mapping[str, Value]) -> Layout:
        """Outputs with the sizes that they have at these parameter values."""
        return Layout.of(self.outputs, self.coordinates({**self.defaults(), **values}))


class ModelFields(PluginFields, total=False):
    """Fields of a :class:`Model` that its decorator takes by name."""

    coordinates: Callable[[Mapping[str, Value]], Mapping[str, Coordinate]]
    check: Callable[[Mapping[str, Value]], str]
    batch: int | None
    identity: Callable[[], Mapping[str, str]]
    parallel: Parallel | None
    inputs: tuple[str, ...]
    prepare: Callable[[Context], object] | None
    presets: Mapping[str, Mapping[str, Value]]
    files: Sequence[str]


def model(
    name: str,
    *,
    parameters: Sequence[Parameter],
    outputs: Sequence[Output],
    version: str = "1",
    **more: Unpack[ModelFields],
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
        more.setdefault("description", first_line(simulate))
        return Model(name, version, tuple(parameters), tuple(outputs), simulate, **more)

    return decorate
