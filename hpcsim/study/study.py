"""A study as a value: model, design, stages and what to keep, checked as a whole; it knows nothing of execution."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from hpcsim.errors import DirectoryError, Problem, StudyError, nearest
from hpcsim.models.model import Model
from hpcsim.models.registry import MODELS
from hpcsim.paths import shipped_studies
from hpcsim.representation import block, line, table
from hpcsim.source.importer import own_name
from hpcsim.source.origin import Code, code_of
from hpcsim.source.record import Stored, stored
from hpcsim.space.parameter import Parameter
from hpcsim.study.checked import CheckedStudy
from hpcsim.study.directory import StudyDirectory, differences
from hpcsim.study.file import read, scaled, scales
from hpcsim.study.recipe import digest, make_recipe
from hpcsim.study_reference import StudyReference


class Study:
    """A study as a value; its parameters are those of :class:`hpcsim.Study`, which can also run."""

    def __init__(
        self,
        name: str,
        model: str | Model,
        *,
        space: Mapping[str, Any] | None = None,
        fixed: Mapping[str, Any] | None = None,
        design: Mapping[str, Any] | None = None,
        stages: Iterable[Mapping[str, Any]] = (),
        outputs: Mapping[str, Any] | None = None,
        resources: Mapping[str, Any] | None = None,
        inference: Iterable[Mapping[str, Any]] = (),
        sampler: Mapping[str, Any] | None = None,
        seed: int = 0,
        replicates: int = 1,
        preset: str = "",
        description: str = "",
    ) -> None:
        head = {"name": name, "seed": seed, "replicates": replicates, "preset": preset, "description": description}
        tables = {
            "study": {**head, "model": model if isinstance(model, str) else _reference(model)},
            "space": dict(space or {}),
            "fixed": dict(fixed or {}),
            "design": dict(design or {}),
            "stages": [dict(item) for item in stages],
            "outputs": dict(outputs or {}),
            "resources": dict(resources or {}),
            "inference": [dict(item) for item in inference],
            "sampler": dict(sampler or {}),
        }
        folder = Path.cwd()
        self._take(CheckedStudy(tables, name, folder, None if isinstance(model, str) else model), name, folder)

    @classmethod
    def load(cls, where: str | Path, scale: str = "", *, changed: bool = False) -> Self:
        """A study from a TOML file, a study's directory, or the bare name of a shipped one.

        A directory brings the code of its models and stages along; loading it runs that code, as a file's does.

        Parameters
        ----------
        where : str or Path
        scale : str
            One of the study's ``[scales.NAME]``, such as a small one for trials.
        changed : bool
            Of a directory: take code as it is now where it was read, not as the directory stores it.

        Raises
        ------
        StudyError
            If there is none, or with every mistake in it.
        """
        path = find(where)
        tables, folder = scaled(read(path), scale, str(where)), path.resolve().parent
        kept = stored(folder, tables.get("recipe", {}), changed=changed) if path.name == "study.toml" else None
        study = cls.of_tables(tables, str(where), folder, places=_places(tables, folder, kept))
        if path.name == "study.toml":
            study.read_suggestions(folder)
        if kept is not None and kept.changed:
            study.notice = (
                f"{where} goes on with the code that it stores; changed since: {', '.join(map(str, kept.changed))} "
                "(--accept-changes takes that)"
            )
        return study

    @classmethod
    def of_tables(
        cls,
        tables: Mapping[str, Any],
        source: str,
        folder: Path,
        model: Model | None = None,
        places: Sequence[Path] | None = None,
    ) -> Self:
        """A study from the tables of a study file.

        Parameters
        ----------
        tables : mapping
        source : str
            For messages.
        folder : Path
            Where its relative paths begin.
        model : Model, optional
            In place of the one that the tables name.
        places : sequence of Path, optional
            Where modules of the user's own are looked for: `folder` and the current one by default.

        Raises
        ------
        StudyError
            With every mistake in them.
        """
        study = cls.__new__(cls)
        study._take(CheckedStudy(tables, source, folder, model, places), source, folder)
        return study

    def _take(self, checked: CheckedStudy, source: str, folder: Path) -> None:
        self._checked = checked
        self.file, self.source, self.folder, self.places = checked.file, source, folder, checked.places
        #: what a user may want to know about where its code comes from
        self.notice = ""
        self.name, self.seed = checked.file.study.name, checked.file.study.seed
        self.model, self.space, self.design = checked.model, checked.space, checked.design
        self.stages, self.methods, self.time_limit = checked.stages, checked.methods, checked.time_limit
        self.search = checked.search
        self.model_layout, self.all_outputs, self.layout = checked.model_layout, checked.all_outputs, checked.layout

    # -- what made the numbers ------------------------------------------------------------------

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the studies whose results the model and the stages use."""
        return tuple(dict.fromkeys(reference.name for reference in self._checked.inputs.values()))

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the studies that points need: the inputs, and the one that a sampler takes its observation from."""
        source = StudyReference.parse(self.search.observations) if self.search else None
        return tuple(dict.fromkeys([*self.inputs, *([source.name] if source else [])]))

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the studies that run first: the inputs, and those that inference and a sampler observe."""
        return tuple(dict.fromkeys([*self.inputs, *(reference.name for reference in self._checked.observed.values())]))

    def input_study(self, name: str) -> Self:
        """The study of that name at this one's scale: beside this one's file or directory, or shipped."""
        places = (self.folder.parent / name, self.folder / "runs" / name)
        beside = (self.folder / f"{name}.toml", *(place / "study.toml" for place in places))
        where = next((path for path in beside if path.exists()), name)
        scale = self.file.study.scale
        found = self.load(where, scale if scale in scales(read(find(where))) else "")
        if found.search is not None and name in self.inputs:
            key = next(key for key, reference in self._checked.inputs.items() if reference.name == name)
            message = f"{name} is a search, whose points nobody knows before it is over: nothing can be made of its results"
            hint = "run it, and write what is needed of it into a study with [space] or [fixed]"
            raise StudyError([Problem(key, message, hint)], self.source)
        return found

    @cached_property
    def code(self) -> Code:
        """What model and stages are made of; empty where all of it ships with hpcsim."""
        return code_of([(self.model, self.model.simulate), *((bound.stage, bound.stage.apply) for bound in self.stages)])

    @cached_property
    def stored_code(self) -> Code:
        """What a directory stores to go on without the user's files: of the inference methods as well."""
        stages = [(bound.stage, bound.stage.apply) for bound in self.stages]
        methods = [(bound.method, bound.method.run) for bound in self.methods]
        sampler = [(kind, kind) for kind in (self.search.plan.plugin.kind,)] if self.search else []
        return code_of([(self.model, self.model.simulate), *stages, *methods, *sampler])

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """Everything that the numbers depend on, apart from the values of the varying parameters."""
        return make_recipe(self._checked, self.code, {name: self._identity(name) for name in self.inputs})

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the recipe; finished points are used again when id and fingerprint agree."""
        return digest(self.recipe)

    @property
    def completeness(self) -> str:
        """Digest of the recipe and the design: results that carry it hold every point."""
        # not kept: the design of a search grows
        return digest([self.fingerprint, *self.design.extent])

    @cached_property
    def earlier_recipe(self) -> dict[str, Any]:
        """The recipe as hpcsim made it before the source of the user's own code was part of it, and order was canonical."""
        recipe = {key: value for key, value in self.recipe.items() if key != "source"}
        return {**recipe, "inputs": {name: self._identity(name, earlier=True) for name in self.inputs}}

    @cached_property
    def earlier_completeness(self) -> str:
        """Likewise: results may carry it."""
        return digest([digest(self.earlier_recipe), self.design.earlier_digest])

    def _identity(self, name: str, *, earlier: bool = False) -> str:
        """Identity of an input: the one that this directory was made with, or else that of its study."""
        held = self.file.recipe.get("inputs", {})
        if name in held:
            return str(held[name])
        needed = self.input_study(name)
        return needed.earlier_completeness if earlier else needed.completeness

    @cached_property
    def columns(self) -> tuple[Parameter, ...]:
        """Parameters as columns of the results: lists have the length that they have in this study."""
        fixed = self.space.fixed
        return tuple(
            replace(parameter, default=fixed[parameter.name]) if isinstance(fixed.get(parameter.name), tuple) else parameter
            for parameter in self.model.parameters
        )

    # -- using it ---------------------------------------------------------------------------------

    def to_toml(self) -> str:
        """The study as it was checked, with every default written out."""
        import tomli_w

        tables = self.file.model_dump(exclude_none=True)
        tables["study"]["preset"] = ""
        tables["fixed"] = {name: value for name, value in self.space.fixed.items() if name not in self.file.space}
        tables["stages"] = [{"use": bound.use, **bound.options} for bound in self.stages]
        tables["inference"] = [
            {"use": bound.name, **{name: value for name, value in bound.options.items() if value is not None}}
            for bound in self.methods
        ]
        tables["outputs"]["keep"] = list(self.layout.outputs)
        if self.time_limit is not None:
            tables["resources"]["time"] = f"{self.time_limit!r} s"
        if self.search is not None and self.search.plan.start:
            tables["sampler"]["start"] = list(self.search.plan.start)
        tables["bounds"] = {name: [rest.low, rest.high] for name, rest in self.space.cut.items()}
        for name in ("bounds", "sampler"):
            if not tables[name]:
                del tables[name]
        tables["recipe"] = self.recipe
        return tomli_w.dumps(_plain(tables))

    def verify(self, directory: StudyDirectory) -> None:
        """Check that this environment makes the numbers that the directory holds.

        Raises
        ------
        DirectoryError
            With every difference, such as another version of a simulator.
        """
        held = directory.recipe()
        different = differences(held, self.recipe)
        if different and held != self.earlier_recipe:
            raise DirectoryError(
                f"{directory.path}: this environment would make other numbers than those already there:\n"
                + "\n".join(f"  {line}" for line in different)
            )

    def directory(self, path: str | Path | None = None) -> StudyDirectory:
        """Where it runs: ``runs/<name>`` unless another folder is named; what a sampler has suggested there is its design."""
        directory = StudyDirectory(Path(path) if path is not None else Path("runs") / self.name)
        self.read_suggestions(directory.path)
        return directory

    def read_suggestions(self, folder: Path) -> None:
        """Take what a sampler has suggested in a study's directory as the design; without a sampler, nothing changes."""
        if self.search is not None:
            from hpcsim.samplers.design import SuggestedDesign
            from hpcsim.samplers.table import LOG

            assert isinstance(self.design, SuggestedDesign)
            self.design.read(folder / LOG)

    def __repr__(self) -> str:
        return f"<Study {self.name}: {self.model.name}, {len(self.design)} points, keeps {', '.join(self.layout.outputs)}>"

    def _repr_html_(self) -> str:
        outputs = self.layout.outputs.values()
        uses = [*(bound.use for bound in self.stages), *(bound.name for bound in self.methods)]
        return block(
            f"Study {self.name}: {self.model.name} {self.model.version}, {len(self.design):,} points",
            table(("parameter", "unit", "varies over"), self._varying()),
            table(("keeps", "dimensions", "unit"), ((o.name, ", ".join(o.dims), o.unit) for o in outputs)),
            line(f"then {', '.join(uses)}" if uses else ""),
        )

    def _varying(self) -> Iterator[tuple[str, str, str]]:
        units = {parameter.name: parameter.unit for parameter in self.space.parameters}
        lists = {name: values for axis in self.space.axes for name, values in axis.lists.items()}
        for name, values in [*lists.items(), *self.space.sampled.items()]:
            yield name, units.get(name, ""), str(values)


def find(where: str | Path) -> Path:
    """The file of a study: a path, a study's directory, or the bare name of a shipped study.

    Raises
    ------
    StudyError
        If there is none.
    """
    path = Path(where)
    try:
        if path.is_dir() and (path / "study.toml").exists():
            return path / "study.toml"
        if path.exists() and not path.is_dir():
            return path
    except OSError as error:
        raise StudyError([Problem(str(where), f"cannot be read: {error.strerror}")]) from None
    shipped = shipped_studies()
    if str(where) in shipped:
        return shipped[str(where)]
    problem = Problem(str(where), "there is no such file, directory or shipped study", nearest(str(where), shipped))
    raise StudyError([problem])


def _reference(model: Model) -> str:
    """A name under which another process finds a model; its own name when there is none."""
    if model.name in MODELS.names() and MODELS.get(model.name) is model:
        return model.name
    module = model.simulate.__module__
    for attribute, value in vars(sys.modules.get(module, object)).items():
        if value is model:
            return f"{own_name(module)}:{attribute}"
    return model.name


def _places(tables: Mapping[str, Any], folder: Path, kept: Stored | None) -> list[Path] | None:
    """Where the code of a study is looked for; None for the usual places, beside its file and in the current folder."""
    if kept is not None:
        return list(kept.folders)
    if tables.get("recipe") and folder.parent.name == "runs":
        # a directory from before the source was stored in it
        return [folder, Path.cwd(), folder.parent.parent]
    return None


def _plain(value: Any) -> Any:
    """A value as TOML holds it: arrays and tuples as lists, numpy's numbers as Python's."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return _plain(value.tolist()) if hasattr(value, "tolist") else value
