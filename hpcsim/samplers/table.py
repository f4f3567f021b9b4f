"""``[sampler]`` of a study: which sampler, which objectives, how much it may cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.collector.format.table import Table
from hpcsim.errors import PluginError, Problem, ResultsError, SpaceError, StudyError
from hpcsim.inference.observations import checked_observations
from hpcsim.outputs import Layout
from hpcsim.samplers.budget import Budget, Spent
from hpcsim.samplers.log import SearchLog
from hpcsim.samplers.objectives import SIGNED, Objective, objectives, scores, target
from hpcsim.samplers.plugin import SamplerPlugin, get_sampler
from hpcsim.samplers.problem import SearchProblem, Variable
from hpcsim.samplers.search import Search, SearchPlan
from hpcsim.space.constraint import Constraint
from hpcsim.space.distribution import Loguniform, Uniform
from hpcsim.space.parameter import Parameter, Value
from hpcsim.space.space import Space

#: Of ``start``: one point, the default values of the model or those of its preset.
DEFAULTS = "defaults"
#: Of the log of a search in a study's directory.
LOG = "sampler.jsonl"
_LIMITS = (
    Parameter("evaluations", 0, bounds=(1, None)),
    Parameter("cpu_hours", 0.0, bounds=(1e-9, None)),
    Parameter("wall_hours", 0.0, bounds=(1e-9, None)),
    Parameter("accepted", 0, bounds=(1, None)),
)
_OWN = ("use", "objectives", "cutoffs", "start", "known", "order", "ahead", "observations", "where")
#: The observation of a search, in the study's directory.
OBSERVED = "observations.csv"


@dataclass(frozen=True)
class _Described:
    """What tells how a study makes its features."""

    study: Mapping[str, Any]


@dataclass(frozen=True)
class BoundSearch:
    """The search of a study, checked.

    Parameters
    ----------
    plan : SearchPlan
    budget : Budget
    objectives : tuple of Objective
    known : str
        A study's directory, or its results, with which the search begins; may be empty.
    observations, where : str
        Where targets come from that objectives do not tell, as an inference method has it; and which row.
    cutoffs : mapping of str to float
    whole : bool
        Whether objectives are still outputs, of which each column becomes one.
    units : mapping of str to str
        Of the outputs.
    """

    plan: SearchPlan
    budget: Budget
    objectives: tuple[Objective, ...]
    known: str = ""
    observations: str = ""
    where: str = ""
    cutoffs: Mapping[str, float] = field(default_factory=dict)
    whole: bool = False
    units: Mapping[str, str] = field(default_factory=dict)

    def fitted(self, layout: Layout, problems: list[Problem]) -> BoundSearch:
        """With an objective for each column where whole outputs are named; mistakes are added to `problems`."""
        units = {name: output.unit for name, output in layout.outputs.items()}
        objectives = tuple(objective.named(layout) for objective in self.objectives)
        wrong = [problem for objective in objectives for problem in objective.problems(layout)]
        if self.whole:
            # of a whole output, what is wrong with its columns does not matter
            wrong = [problem for problem in wrong if problem.key.endswith(".of")]
        problems += wrong
        if wrong:
            return self
        if self.whole:
            objectives = tuple(one for objective in objectives for one in objective.spread(layout))
        bound = replace(self, objectives=objectives, whole=False, units=units)
        untold = [objective.name for objective in objectives if objective.target is None]
        if self.plan.plugin.kind.infers and untold and not self.observations:
            message = f"there are none, and {', '.join(untold[:5])} has no target"
            problems.append(Problem("sampler.observations", message, "give a table of observations, or targets"))
        # what is recorded of an objective follows from its full name
        return bound if objectives == self.objectives else bound.checked(problems)

    def checked(self, problems: list[Problem]) -> BoundSearch:
        """With the problem that these objectives and cutoffs are; what a sampler has against it is added to `problems`."""
        names, plugin = tuple(objective.name for objective in self.objectives), self.plan.plugin
        try:
            problem = replace(self.plan.problem, objectives=names, cutoffs=dict(self.cutoffs))
            definitions = {objective.name: str(objective) for objective in self.objectives}
            plan = replace(self.plan, problem=problem, definitions=definitions)
            plugin(problem, plan.seed, plan.start, plan.options)
            self.budget.check(problem.cutoffs)
        except StudyError as error:
            problems += error.problems
            return self
        return replace(self, plan=plan)

    def observed(self, directory: Path, recipe: Mapping[str, Any]) -> BoundSearch:
        """With the targets of the observation that lies in a study's directory.

        Parameters
        ----------
        directory : Path
        recipe : mapping
            Of the study, which tells how features are made.

        Raises
        ------
        ResultsError
            If the table does not hold the features, was made in another way, or gives several rows.
        """
        targets = {one.name: one.target for one in self.objectives if one.target is not None}
        untold = [one.of for one in self.objectives if one.target is None]
        if self.observations and untold:
            made = _Described({"recipe": recipe})
            found = checked_observations(made, directory / OBSERVED, untold, self.units, where=self.where)
            if len(found) != 1:
                raise ResultsError(
                    f"{self.observations}: found {len(found)} observations ({', '.join(map(str, found.index[:5]))}), expected "
                    'one; choose it with where = "its name"'
                )
            targets |= {one.name: float(found[one.of].iloc[0]) for one in self.objectives if one.of in untold}
        objectives = tuple(replace(one, target=targets.get(one.name)) for one in self.objectives)
        if not (self.observations or self.plan.plugin.kind.infers):
            return self
        return replace(self, objectives=objectives, plan=replace(self.plan, observed=targets))

    def open(self, directory: Path, folder: Path, *, ran: bool = False) -> Search:
        """The search in a study's directory: at its beginning, or where it was stopped.

        Parameters
        ----------
        directory : Path
        folder : Path
            Where the study's relative paths begin.
        ran : bool
            Whether points ran since the last process wrote its log.

        Raises
        ------
        DirectoryError
            If the directory holds another search.
        """
        log = SearchLog(directory / LOG)
        known = self._known(folder) if self.known and not log.exists() else []
        return Search(self.plan, log, self.budget, known, ran=ran)

    def spent(self, directory: Path) -> Spent:
        """What a search in a study's directory has cost and found so far; only its log is read."""
        log = SearchLog(directory / LOG)
        suggested, seconds, last, rows = 0, 0.0, {"wall": 0.0}, list[list[float]]()
        for event in log.read() if log.exists() else ():
            suggested += len(event.get("suggest", ()))
            seconds += event.get("cpu", 0.0)
            last = event if "wall" in event else last
            rows += [[np.nan if f is None else f for f in row[1]] for row in event.get("ingest", ())]
        values = np.array(rows, float).reshape(len(rows), len(self.objectives))
        accepted = int(self.plan.problem.accepted(values).sum())
        return Spent(suggested, seconds / 3600, last["wall"] / 3600, accepted)

    def pending(self, directory: Path) -> int:
        """How many suggestions of a search in a study's directory it has no results of; only its log is read."""
        log = SearchLog(directory / LOG)
        events = list(log.read()) if log.exists() else []
        return sum(len(event.get("suggest", ())) - len(event.get("ingest", ())) for event in events)

    def _known(self, folder: Path) -> list[dict[str, float]]:
        path = folder / self.known if (folder / self.known).exists() else Path(self.known)
        path = path / "results.h5" if path.is_dir() else path
        try:
            with Table(path) as table:
                rows = np.arange(len(table))
                names = [*self.plan.problem.names, *self.plan.problem.objectives]
                values = np.stack([table.array(name) for name in self.plan.problem.names], axis=1)
                both = np.concatenate([values, scores(self.objectives, table, rows)], axis=1)
        except FileNotFoundError:
            problem = Problem("sampler.known", f"there are no results {path}", "run that study first")
            raise StudyError([problem], "sampler") from None
        return [dict(zip(names, row, strict=True)) for row in both.tolist() if np.isfinite(row).all()]


def bind(
    table: Mapping[str, Any],
    space: Space,
    seed: int,
    places: Sequence[Path],
    problems: list[Problem],
    defaults: Mapping[str, Value],
    constraint: str = "",
    replicates: int = 1,
) -> BoundSearch | None:
    """The search that ``[sampler]`` tells; None after a mistake, which is added to `problems`.

    Objectives that are whole outputs wait for :meth:`BoundSearch.fitted`.
    `defaults` are the values of the model, or of its preset: the start point that ``start = "defaults"`` means.
    """
    before = len(problems)
    variables = tuple(_variables(space, problems))
    wanted = objectives(table.get("objectives"), problems)
    budget = _budget(table, problems)
    cutoffs, start = table.get("cutoffs", {}), table.get("start", [])
    if not isinstance(cutoffs, Mapping) or not all(isinstance(c, (int, float)) for c in cutoffs.values()):
        problems.append(Problem("sampler.cutoffs", f"found {cutoffs!r}, expected numbers by the names of objectives"))
    if start == DEFAULTS:
        start = [{variable.name: defaults[variable.name] for variable in variables}]
    if not isinstance(start, list) or not all(isinstance(row, Mapping) for row in start):
        expected = f'expected [[sampler.start]], a table of values each, or "{DEFAULTS}"'
        problems.append(Problem("sampler.start", f"found {start!r}, {expected}"))
    source = {key: table.get(key, "") for key in ("observations", "where")}
    problems += [Problem(f"sampler.{k}", f"found {v!r}, expected a text") for k, v in source.items() if not isinstance(v, str)]
    try:
        plugin: SamplerPlugin = get_sampler(str(table.get("use", "")), places)
        plugin.check_installed()
    except PluginError as error:
        problems.append(Problem("sampler.use", str(error)))
    if len(problems) > before:
        return None
    if plugin.kind.infers:
        wanted = tuple(replace(objective, distance=SIGNED) for objective in wanted)
        told = "it learns from its own draws of the prior alone, and somebody chose these points"
        problems += [Problem(f"sampler.{key}", told, "leave it out") for key in ("start", "known") if table.get(key)]
        if replicates > 1:
            found = f"found {replicates}; the sampler would learn from their means, which vary less than one observation does"
            problems.append(Problem("study.replicates", found, "leave it out"))
    own = {*_OWN, *(limit.name for limit in _LIMITS)}
    options = {name: value for name, value in table.items() if name not in own}
    try:
        fixed = {name: float(value) for name, value in space.fixed.items() if isinstance(value, (int, float))}
        named = {name: fixed[name] for name in Constraint(constraint).names if name in fixed} if constraint else {}
        names, signed = tuple(item.name for item in wanted), plugin.kind.infers
        problem = SearchProblem(variables, names, signed=signed, constraint=constraint, constants=named)
        order, ahead = table.get("order", "arrival"), table.get("ahead", 16)
        plan = SearchPlan(plugin, problem, seed, start, options, order, ahead)
    except StudyError as error:
        problems += error.problems
        return None
    except SpaceError as error:
        problems.append(Problem("design.constraint", str(error)))
        return None
    whole = isinstance(table.get("objectives"), list)
    limits = {str(name): float(cutoff) for name, cutoff in cutoffs.items()}
    bound = BoundSearch(plan, budget, wanted, str(table.get("known", "")), **source, cutoffs=limits, whole=whole)
    bound = bound if whole else bound.checked(problems)
    return None if len(problems) > before else bound


def told(table: Mapping[str, Any], layout: Layout, directory: Path, problems: list[Problem]) -> tuple[Objective, ...]:
    """Objectives of ``[sampler]`` as its search has them: one a column, with the targets that the log in a directory tells."""
    log = SearchLog(directory / LOG)
    targets = next(log.read()).get("observed", {}) if log.exists() else {}
    wanted = tuple(one.named(layout) for one in objectives(table.get("objectives"), problems))
    if isinstance(table.get("objectives"), list):
        wanted = tuple(one for objective in wanted if objective.output in layout for one in objective.spread(layout))
    return tuple(replace(one, target=target(targets[one.name])) if one.name in targets else one for one in wanted)


def _variables(space: Space, problems: list[Problem]) -> list[Variable]:
    """In the order of names, as a design has its columns."""
    found = []
    for name, drawn in sorted(space.sampled.items()):
        if not isinstance(drawn, (Uniform, Loguniform)):
            kind = type(drawn).__name__.lower()
            problems.append(
                Problem(f"space.{name}", f"found {kind}, a sampler searches between bounds", "use uniform or loguniform")
            )
        else:
            found.append(Variable(name, float(drawn.low), float(drawn.high), isinstance(drawn, Loguniform)))
    if not space.sampled:
        problems.append(Problem("space", "there is nothing to search", "give parameters bounds, such as { uniform = [0, 1] }"))
    for axis in space.axes:
        problems.append(Problem(f"space.{axis.names[0]}", "found a list, a sampler searches between bounds", "use uniform"))
    return found


def _budget(table: Mapping[str, Any], problems: list[Problem]) -> Budget:
    from hpcsim.errors import SpaceError, UnitError

    limits: dict[str, Any] = {}
    for limit in _LIMITS:
        if limit.name in table:
            try:
                limits[limit.name] = limit.resolve(table[limit.name])
            except (SpaceError, UnitError) as error:
                problems.append(Problem(f"sampler.{limit.name}", str(error)))
    try:
        return Budget(**(limits or {name: 1 for name in ("evaluations",) if any(item.name in table for item in _LIMITS)}))
    except StudyError as error:
        problems += error.problems
        return Budget(evaluations=1)
