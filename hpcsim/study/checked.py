"""Whether a study makes sense: model, space, resources, stages, methods and outputs, checked before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpcsim.errors import PluginError, Problem, ResultsError, SpaceError, StudyError, UnitError, calling, nearest
from hpcsim.models.model import Model
from hpcsim.models.registry import get_model
from hpcsim.outputs import Layout
from hpcsim.space.constraint import Constraint
from hpcsim.space.design import Design
from hpcsim.space.options import complete_options
from hpcsim.space.parameter import Parameter, Value
from hpcsim.space.space import Space
from hpcsim.stages.registry import get_stage
from hpcsim.stages.stage import Stage
from hpcsim.study.file import DesignSection, parse, with_lists
from hpcsim.study_reference import StudyReference

if TYPE_CHECKING:
    from hpcsim.inference.method import Method
    from hpcsim.samplers.table import BoundSearch

#: How many points are looked at before anything runs.
PROBED = 64
#: The option of a method that names a table of observations.
OBSERVATIONS = "observations"


@dataclass(frozen=True)
class BoundStage:
    """A stage with its options, and the name under which the study found it."""

    use: str
    stage: Stage
    options: Mapping[str, Value]

    @property
    def references(self) -> dict[str, StudyReference]:
        """Studies whose results it uses, by the option that names each."""
        found = {name: StudyReference.of(self.options[name]) for name in self.stage.inputs}
        return {name: reference for name, reference in found.items() if reference}


@dataclass(frozen=True)
class BoundMethod:
    """An inference method with its options, and the name under which the study found it."""

    name: str
    method: Method
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
    places : sequence of Path, optional
        Folders in which models, stages and methods of the user's own are looked for: `folder` and the current one by default.

    Attributes
    ----------
    file : StudyFile
    model : Model
    space : Space
    design : Design
    stages : tuple of BoundStage
    methods : tuple of BoundMethod
    search : BoundSearch or None
        What a sampler does, where there is one.
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

    def __init__(
        self,
        tables: Mapping[str, Any],
        source: str,
        folder: Path,
        model: Model | None = None,
        places: Sequence[Path] | None = None,
    ) -> None:
        self.places = tuple(places) if places is not None else (folder, Path.cwd())
        self.file, problems = parse(with_lists(tables, folder, source), source)
        try:
            self.model = model or get_model(self.file.study.model, self.places)
        except PluginError as error:
            raise StudyError([*problems, Problem("study.model", str(error))], source) from None
        self.search: BoundSearch | None = None
        self._check_space(problems)
        self._check_resources(problems)
        self.stages = tuple(self._bind_stages(problems))
        self.methods = tuple(self._bind_methods(problems))
        if not problems:
            named = self.inputs | self.observed
            problems += [Problem(key, reference.problem) for key, reference in named.items() if reference.problem]
        if not problems:
            self._check_points(problems)
        if not problems:
            self._check_outputs(problems)
        if problems:
            raise StudyError(problems, source)

    @property
    def inputs(self) -> dict[str, StudyReference]:
        """Studies whose results the model and the stages use, by the key that names each."""
        found = {f"fixed.{name}": StudyReference.of(self.space.fixed[name]) for name in self.model.inputs}
        for number, bound in enumerate(self.stages):
            found |= {f"stages[{number}].{name}": reference for name, reference in bound.references.items()}
        return {key: reference for key, reference in found.items() if reference}

    @property
    def observed(self) -> dict[str, StudyReference]:
        """Studies that inference and a sampler take their observations from, by the key that names each."""
        sources = {f"inference[{number}]": bound.options.get(OBSERVATIONS, "") for number, bound in enumerate(self.methods)}
        if self.search is not None:
            sources["sampler"] = self.search.observations
        found = {f"{key}.{OBSERVATIONS}": StudyReference.parse(source) for key, source in sources.items()}
        return {key: reference for key, reference in found.items() if reference}

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
        if self.file.sampler:
            # the whole model as it is without [space] and [fixed]
            defaults = Space.from_tables(self.model.parameters, {}, {}, presets=preset).fixed
            self._bind_search(problems, defaults)
            return
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
        except StudyError as error:
            problems += error.problems
        except SpaceError as error:
            problems.append(Problem("design", str(error)))

    def _bind_search(self, problems: list[Problem], defaults: Mapping[str, Value]) -> None:
        """Points that a sampler suggests, in place of a design that is known before."""
        from hpcsim.samplers.design import SuggestedDesign
        from hpcsim.samplers.table import bind

        head, before = self.file.study, len(problems)
        constraint = self.file.design.constraint
        if self.file.design != DesignSection(constraint=constraint):
            hint = "leave out all but the constraint"
            problems.append(Problem("design", "found one beside a sampler, which suggests the points", hint))
        self.search = bind(self.file.sampler, self.space, head.seed, self.places, problems, defaults, constraint, head.replicates)
        if len(problems) == before:
            self.design = SuggestedDesign(self.space, head.seed, head.replicates, constraint, model=self.model.name)

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
                stage = get_stage(str(table.get("use", "")), self.places)
            except PluginError as error:
                problems.append(Problem(f"{key}.use", str(error)))
                continue
            given = {name: value for name, value in table.items() if name != "use"}
            options, wrong = complete_options(str(table["use"]), stage.options, given, key=key)
            problems += wrong
            yield BoundStage(str(table["use"]), stage, options)

    def _bind_methods(self, problems: list[Problem]) -> Iterable[BoundMethod]:
        from hpcsim.inference.method import get_method

        for number, table in enumerate(self.file.inference):
            key = f"inference[{number}]"
            try:
                method = get_method(str(table.get("use", "")), self.places)
            except PluginError as error:
                problems.append(Problem(f"{key}.use", str(error)))
                continue
            try:
                options = method.complete({name: value for name, value in table.items() if name != "use"})
            except StudyError as error:
                problems += [replace(problem, key=f"{key}.{problem.key}") for problem in error.problems]
                continue
            yield BoundMethod(str(table["use"]), method, options)

    def _check_points(self, problems: list[Problem]) -> None:
        """Look at points spread over the design: do they make sense, and have all the same shape."""
        design = self.design if self.search is None else self.design.probe  # type: ignore[attr-defined]
        size = len(design)
        if self.space.sampled:
            # any draws will do, and the first are the cheapest
            probes = list(range(min(size, PROBED)))
            points = list(design.block(0, len(probes)))
        else:
            probes = sorted({(2 * k * (size - 1) + PROBED - 1) // (2 * (PROBED - 1)) for k in range(PROBED)})
            points = [self.design.point(index) for index in probes]
        good, wrong = [], []
        for index, point in zip(probes, points, strict=True):
            if text := self._complaint(point.values):
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
        try:
            layouts = [self._layout(point.values) for point in good]
        except PluginError as error:
            problems.append(Problem("study.model", str(error)))
            return
        self.model_layout = layouts[0]
        for point, other in zip(good[1:], layouts[1:], strict=True):
            for name, coordinate in self.model_layout.coordinates.items():
                if not other.coordinates[name].same(coordinate):
                    varying = ", ".join(key for key in point.values if point.values[key] != good[0].values[key])
                    problems.append(
                        Problem("space", f'the dimension "{name}" differs between points, with {varying}', "one study, one shape")
                    )
                    return

    def _complaint(self, values: Mapping[str, Value]) -> str:
        """Why parameter values make no sense together, or an empty text."""
        try:
            with calling(f"check of {self.model.name}"):
                return self.model.check(values)
        except PluginError as error:
            return str(error)

    def _layout(self, values: Mapping[str, Value]) -> Layout:
        with calling(f"coordinates of {self.model.name}"):
            return self.model.layout(values)

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
            except (PluginError, ResultsError, UnitError) as error:
                problems.append(Problem(f"stages[{number}]", str(error)))
                return
        names = self.file.outputs.keep or tuple(layout.outputs)
        for name in names:
            if name not in layout:
                problems.append(Problem("outputs.keep", f'there is no output "{name}"', nearest(name, layout.outputs)))
        if not problems:
            self.all_outputs, self.layout = layout, layout.select(dict.fromkeys(names))
            if self.search is not None:
                self.search = self.search.fitted(self.layout, problems)
