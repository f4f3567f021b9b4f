"""What a method gets: results, options, and a way to have points simulated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pandas import DataFrame

#: Resolved values of a method's options; an option named in `Method.tables` is a mapping or None.
Options = Mapping[str, Any]


class ResultsLike(Protocol):
    """What inference and report use of :class:`hpcsim.collector.results.Results`."""

    @property
    def path(self) -> Path:
        """The results file."""

    @property
    def parameters(self) -> DataFrame:
        """Parameters of every point, indexed by its id."""

    @property
    def outputs(self) -> Any:
        """Arrays by the name of the output, of which the report looks at the shape; points first."""

    @property
    def records(self) -> DataFrame:
        """Status, wall_time (s), cpu_time (s), host and the like of every point, indexed by its id."""

    @property
    def failures(self) -> DataFrame:
        """Parameters, status and error of the points that failed."""

    @property
    def counts(self) -> Mapping[str, int]:
        """How many points have which status."""

    @property
    def units(self) -> Mapping[str, str]:
        """Unit of every parameter and output."""

    @property
    def study(self) -> Mapping[str, Any]:
        """The study file, parsed."""

    @property
    def versions(self) -> Mapping[str, Any]:
        """Versions of the packages and simulators that made the numbers."""

    def features(self, outputs: Sequence[str]) -> DataFrame:
        """Named columns of the points that are ok, sorted by id."""

    def ragged(self, name: str) -> Sequence[Any]:
        """Arrays of a ragged output, one a point, failed ones included."""

    def theta(self, names: Sequence[str] | None = None) -> DataFrame:
        """Parameters (all without names) of the points that are ok, sorted by id; a list has a column an entry."""

    def __len__(self) -> int:
        """How many points, failed ones included."""


class Simulate(Protocol):
    """Runs a study and gives its results: how a method has points simulated without knowing a simulator."""

    def __call__(self, tables: Mapping[str, Any], name: str) -> AbstractContextManager[ResultsLike]:
        """Simulate what is not simulated yet.

        Parameters
        ----------
        tables : mapping
            As a study file holds them.
        name : str
            Of the folder, beside what the method writes; another call with the same name adds points to it.
        """


def varying(results: ResultsLike) -> list[str]:
    """Columns of ``results.theta()`` that are numbers with more than one value.

    Parameters
    ----------
    results : ResultsLike

    Returns
    -------
    list of str
        In the order of the results.
    """
    theta = results.theta()
    return [str(name) for name in theta.columns if theta[name].dtype.kind in "iuf" and theta[name].nunique() > 1]


def unit_of(results: ResultsLike, column: str) -> str:
    """Unit of a column of features or parameters: that of its output or parameter, or an empty text."""
    return results.units.get(column) or results.units.get(column.split(".")[0], "")
