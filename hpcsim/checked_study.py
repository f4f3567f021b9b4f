"""Whether a study makes sense: model, space, resources, stages, methods and outputs, checked before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hpcsim.errors import ModelError, Problem, ResultsError, SpaceError, StudyError, UnitError, nearest
from hpcsim.models.model import Model
from hpcsim.models.registry import get_model
from hpcsim.outputs import Layout
from hpcsim.space.constraint import Constraint
from hpcsim.space.design import Design
from hpcsim.space.parameter import Parameter, Value
from hpcsim.space.space import Space
from hpcsim.stages.registry import get_stage
from hpcsim.stages.stage import Stage
from hpcsim.study_file import parse, with_lists

#: How many points are looked at before anything runs.
PROBED = 64


@dataclass(frozen=True)
class BoundStage:
    """A stage with its options, and the name under which the study found it."""

    use: str
    stage: Stage
    options: Mapping[str, Value]


@dataclass(frozen=True)
class BoundMethod:
    """An inference method with its options, and the name under which the study found it."""

    name: str
    options: Mapping[str, Any]


class CheckedStudy:
    """The parts of a study that passed every check.

    Parameters
    ----------
    tables : mapping
        Of a study file.
    source : str
        For messages.
    folder : Path
        Where its relative paths begin.
    model : Model, optional
        In place of the one that the tables name.

    Attributes
    ----------
    file : StudyFile
    model : Model
    space : Space
    design : Design
    stages : tuple of BoundStage
    methods : tuple of BoundMethod
    time_limit : float or None
        Seconds, for one point.
    model_layout, all_outputs, layout : Layout
        Of the model's outputs, of these and those of the stages, and of what is kept.

    Raises
    ------
    StudyError
        With every mistake at once.
    """

    space: Space
    design: Design
    model_layout: Layout
    all_outputs: Layout
    layout: Layout

    def __init__(self, tables: Mapping[str, Any], source: str, folder: Path, model: Model | None = None) -> None:
        self.file, problems = parse(with_lists(tables, folder, source), source)
        try:
            self.model = model or get_model(self.file.study.model)
        except ModelError as error:
            raise StudyError([*problems, Problem("study.model", str(error))], source) from None
        self._check_space(problems)
        self._check_resources(problems)
        self.stages = tuple(self._bind_stages(problems))
        self.methods = tuple(self._bind_methods(problems))
        if not problems:
            self._check_points(problems)
        if not problems:
            self._check_outputs(problems)
        if problems:
            raise StudyError(problems, source)

    def _check_space(self, problems: list[Problem]) -> None:
        head, design = self.file.study, self.file.design
        preset: Mapping[str, Value] = {}
        if head.preset:
            if head.preset in self.model.presets:
                preset = self.model.presets[head.preset]
            else:
                hint = nearest(head.preset, self.model.presets)
                problems.append(Problem("study.preset", f'the model {self.model.name} has no preset "{head.preset}"', hint))
        try:
            self.space = Space.from_tables(self.model.parameters, self.file.space, self.file.fixed, presets=preset)
        except StudyError as error:
            problems += error.problems
            return
        problems += [
            Problem(f"space.{name}", "names another study, and has one value in a study", "move it to [fixed]")
            for name in self.model.inputs
            if name not in self.space.fixed
        ]
        try:
            self.design = Design(
                self.space,
                method=design.method,
                n=design.n,
                seed=head.seed,
                replicates=head.replicates,
                constraint=Constraint(design.constraint) if design.constraint else None,
                block=design.block,
                model=self.model.name,
            )
        except SpaceError as error:
            problems.append(Problem("design", str(error)))

    def _check_resources(self, problems: list[Problem]) -> None:
        self.time_limit: float | None = None
        text = self.file.resources.time
        if text:
            try:
                self.time_limit = float(Parameter("time", 1.0, "s", (1e-3, None)).resolve(text))  # type: ignore[arg-type]
            except (UnitError, SpaceError) as error:
                problems.append(Problem("resources.time", str(error)))
        if self.file.resources.ranks > 1 and self.model.parallel is None:
            problems.append(Problem("resources.ranks", f"the model {self.model.name} runs in one process", "leave it out"))

    def _bind_stages(self, problems: list[Problem]) -> Iterable[BoundStage]:
        for number, table in enumerate(self.file.stages):
            key = f"stages[{number}]"
            try:
                stage = get_stage(str(table.get("use", "")))
            except ModelError as error:
                problems.append(Problem(f"{key}.use", str(error)))
                continue
            yield BoundStage(str(table["use"]), stage, resolve_options(stage.options, table, key, problems))

    def _bind_methods(self, problems: list[Problem]) -> Iterable[BoundMethod]:
        from hpcsim.inference.method import get_method

        for number, table in enumerate(self.file.inference):
            key = f"inference[{number}]"
            try:
                method = get_method(str(table.get("use", "")))
            except ModelError as error:
                problems.append(Problem(f"{key}.use", str(error)))
                continue
            try:
                options = method.complete({name: value for name, value in table.items() if name != "use"})
            except StudyError as error:
                problems += [replace(problem, key=f"{key}.{problem.key}") for problem in error.problems]
                continue
            yield BoundMethod(str(table["use"]), options)

    def _check_points(self, problems: list[Problem]) -> None:
        """Look at points spread over the design: do they make sense, and have all the same shape."""
        size = len(self.design)
        if self.space.sampled:
            # any draws will do, and the first are the cheapest
            probes = list(range(min(size, PROBED)))
            points = list(self.design.block(0, len(probes)))
        else:
            probes = sorted({round(k * (size - 1) / (PROBED - 1)) for k in range(PROBED)})
            points = [self.design.point(index) for index in probes]
        good, wrong = [], []
        for index, point in zip(probes, points, strict=True):
            if text := self.model.check(point.values):
                wrong.append(f"point {index}: {text}")
                if not self.space.sampled:
                    break
            else:
                good.append(point)
        # a few points of a sampled design may be impossible: they become failed rows
        if wrong and (not self.space.sampled or not good):
            problems.append(Problem("space", wrong[0]))
            return
        if problem := self._spread(good[0].values):
            problems.append(Problem("resources.ranks", problem))
            return
        self.model_layout = self.model.layout(good[0].values)
        for point in good[1:]:
            other = self.model.layout(point.values)
            for name, coordinate in self.model_layout.coordinates.items():
                if not other.coordinates[name].same(coordinate):
                    varying = ", ".join(key for key in point.values if point.values[key] != good[0].values[key])
                    problems.append(
                        Problem("space", f'the dimension "{name}" differs between points, with {varying}', "one study, one shape")
                    )
                    return

    def _spread(self, values: Mapping[str, Value]) -> str:
        """Why a point cannot be spread over the ranks that the study asks for, or an empty text."""
        resources, parallel = self.file.resources, self.model.parallel
        if resources.ranks == 1 or parallel is None:
            return ""
        return parallel.check(values, resources.ranks, resources.threads)

    def _check_outputs(self, problems: list[Problem]) -> None:
        layout = self.model_layout
        for number, bound in enumerate(self.stages):
            try:
                layout = layout.union(bound.stage.declare(bound.options, layout))
            except (ModelError, ResultsError, UnitError) as error:
                problems.append(Problem(f"stages[{number}]", str(error)))
                return
        names = self.file.outputs.keep or tuple(layout.outputs)
        for name in names:
            if name not in layout:
                problems.append(Problem("outputs.keep", f'there is no output "{name}"', nearest(name, layout.outputs)))
        if not problems:
            self.all_outputs, self.layout = layout, layout.select(dict.fromkeys(names))


def resolve_options(
    options: Iterable[Parameter], table: Mapping[str, Any], key: str, problems: list[Problem]
) -> dict[str, Value]:
    """Options of a stage or method from a table of a study file; mistakes are added to `problems`."""
    known = {option.name: option for option in options}
    values = {name: option.default for name, option in known.items()}
    for name, given in table.items():
        if name == "use":
            continue
        if name not in known:
            problems.append(Problem(f"{key}.{name}", f"{table['use']} has no such option", nearest(name, known)))
            continue
        try:
            values[name] = known[name].resolve(given)
        except (UnitError, SpaceError) as error:
            problems.append(Problem(f"{key}.{name}", str(error)))
    return values
