"""What an inference method is: from results to a finding; and the methods that there are."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from hpcsim.errors import ModelError, Problem, ResultsError, SpaceError, StudyError, UnitError, nearest
from hpcsim.registry import Registry
from hpcsim.space.parameter import Parameter

if TYPE_CHECKING:
    from pandas import DataFrame

#: Resolved values of a method's options; an option named in `Method.tables` is a mapping or None.
Options = Mapping[str, Any]

#: One number, or numbers by name.
Metric = float | dict[str, float]

_BUILT_IN = {
    "inference.npe": "hpcsim.inference.npe:npe",
    "inference.nsga2": "hpcsim.inference.nsga2:nsga2",
    "inference.reduced_rank": "hpcsim.inference.reduced_rank:reduced_rank",
    "inference.regression": "hpcsim.inference.regression:regression",
}
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


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


@dataclass(frozen=True, eq=False)
class Finding:
    """What a method found: numbers, tables and figures.

    Parameters
    ----------
    method, title : str
    metrics : dict
        Numbers, or dicts of numbers, by name.
    tables : dict of str to DataFrame
        The names become file names.
    figures : dict of str to Path
        PNG files.
    notes : list of str
        What a reader must know: what was left out, warnings of libraries.
    """

    method: str
    title: str
    metrics: dict[str, Metric] = field(default_factory=dict)
    tables: dict[str, DataFrame] = field(default_factory=dict)
    figures: dict[str, Path] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def save(self, directory: Path) -> Path:
        """Write ``summary.json`` and one CSV file a table.

        Raises
        ------
        ResultsError
            If a table's name cannot be a file name.
        """
        directory.mkdir(parents=True, exist_ok=True)
        for name, table in self.tables.items():
            if not _FILE_NAME.fullmatch(name):
                raise ResultsError(f'{self.method}: the table name "{name}" is no file name; use letters, digits, _.-')
            table.to_csv(directory / f"{name}.csv")
        summary = {
            "method": self.method,
            "title": self.title,
            "metrics": _finite(self.metrics),
            "tables": sorted(self.tables),
            "figures": {name: os.path.relpath(path, directory) for name, path in self.figures.items()},
            "notes": self.notes,
        }
        return write_text(directory / "summary.json", json.dumps(summary, indent=2, allow_nan=False) + "\n")

    @classmethod
    def load(cls, directory: Path) -> Finding:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ResultsError
            If the directory holds no finding, or a damaged one.
        """
        import pandas

        path = directory / "summary.json"
        try:
            summary = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                summary["method"],
                summary["title"],
                _restored(summary["metrics"]),
                {name: pandas.read_csv(directory / f"{name}.csv", index_col=0) for name in summary["tables"]},
                {name: directory / file for name, file in summary["figures"].items()},
                summary["notes"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ResultsError(f"{path}: no finding can be read here ({error!r}); run the method again") from error


def _finite(metrics: Mapping[str, Any]) -> dict[str, Any]:
    # JSON has no NaN: null stands for it
    return {
        name: _finite(value) if isinstance(value, Mapping) else (value if math.isfinite(value) else None)
        for name, value in metrics.items()
    }


def _restored(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _restored(value) if isinstance(value, Mapping) else (math.nan if value is None else value)
        for name, value in metrics.items()
    }


def write_text(path: Path, text: str) -> Path:
    """Write a whole text file or leave the old one.

    Parameters
    ----------
    path : Path
    text : str

    Returns
    -------
    Path
        The same path.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
    return path


def installed(names: Sequence[str]) -> dict[str, str]:
    """Versions of those of the distributions that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True)
class Method:
    """A way to infer parameters from results.

    Parameters
    ----------
    name : str
        ``inference.what``, such as ``inference.regression``.
    version : str
        Raised whenever equal results may give another finding.
    options : tuple of Parameter
        What a user may set; checked like a model's parameters.
    run : callable
        ``run(results, options, directory, seed) -> Finding``; writes its files into the directory.
    simulates : bool
        Whether `run` takes one more argument, by the name ``simulate``: a :class:`Simulate`, or None.
    tables : tuple of str
        Options that are a mapping (a table in TOML) or None; they have no :class:`Parameter`.
    engine, extra : str
        The module that must be importable, and the extra of hpcsim that installs it.
    requires : tuple of str
        Distributions whose versions are part of what made the numbers.
    description : str
        One line for people.
    """

    name: str
    version: str
    options: tuple[Parameter, ...]
    run: Callable[..., Finding]
    tables: tuple[str, ...] = ()
    engine: str = ""
    extra: str = ""
    requires: tuple[str, ...] = ()
    simulates: bool = False
    description: str = ""

    @property
    def installed(self) -> bool:
        """Whether the engine can be imported (it is not imported to find out)."""
        return not self.engine or find_spec(self.engine) is not None

    def complete(self, options: Options) -> dict[str, Any]:
        """The given options, checked, and the defaults of all others.

        Raises
        ------
        StudyError
            If an option does not exist or has a wrong value; all such are named at once.
        """
        known = {option.name: option for option in self.options}
        complete: dict[str, Any] = {name: option.default for name, option in known.items()} | dict.fromkeys(self.tables)
        problems = []
        for name, value in options.items():
            if name not in complete:
                problems.append(Problem(name, "no such option", nearest(name, complete)))
            elif name in known:
                try:
                    complete[name] = known[name].resolve(value)
                except (SpaceError, UnitError) as error:
                    problems.append(Problem(name, str(error)))
            elif value is None or isinstance(value, Mapping):
                complete[name] = value
            else:
                problems.append(Problem(name, f"found {value!r}, expected a table"))
        if problems:
            raise StudyError(problems, self.name)
        return complete

    def __call__(
        self, results: ResultsLike, directory: str | Path, *, seed: int = 0, simulate: Simulate | None = None, **options: Any
    ) -> Finding:
        """Run the method, and save its finding in the directory.

        Parameters
        ----------
        results : ResultsLike
        directory : path
            Made when it is not there.
        seed : int
            Everything random follows from it.
        simulate : callable, optional
            For methods that simulate; without it they leave that out.
        **options
            See `options` and `tables`.

        Raises
        ------
        ModelError
            If the engine is not installed.
        StudyError
            If an option does not exist.
        ResultsError
            If the results do not hold what the method needs.
        """
        if not self.installed:
            advice = f'pip install "hpcsim[{self.extra}]"'
            raise ModelError(f'{self.name} needs "{self.engine}", which is not installed: {advice}')
        complete = self.complete(options)
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        more = {"simulate": simulate} if self.simulates else {}
        finding = self.run(results, complete, folder, seed, **more)
        finding.save(folder)
        return finding


def method(
    name: str, *, options: Sequence[Parameter] = (), version: str = "1", **more: Any
) -> Callable[[Callable[..., Finding]], Method]:
    """Make a function ``run(results, options, directory, seed)`` into a :class:`Method`.

    Parameters
    ----------
    name, options, version
        As of :class:`Method`.
    **more
        The other fields of :class:`Method`.

    Examples
    --------
    >>> from hpcsim.inference import Finding, method
    >>> @method("inference.count")
    ... def count(results, options, directory, seed):
    ...     return Finding("inference.count", "Points", {"points": len(results)})
    >>> count.name
    'inference.count'
    """

    def decorate(run: Callable[..., Finding]) -> Method:
        lines = (run.__doc__ or "").strip().splitlines()
        more.setdefault("description", lines[0] if lines else "")
        return Method(name, version, tuple(options), run, **more)

    return decorate


_REGISTRY = Registry(Method, "inference method", "hpcsim.inference", _BUILT_IN)


def method_names() -> list[str]:
    """Names of all methods: the built-in ones, and those of entry points of group ``hpcsim.inference``."""
    return _REGISTRY.names()


def get_method(name: str) -> Method:
    """The method of that name; a third party's is found by entry point or as ``package.module:name``.

    Raises
    ------
    ModelError
        If there is none, it cannot be imported, or it is no method.
    """
    return _REGISTRY.get(name)
