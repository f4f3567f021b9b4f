"""A study: model, design, stages and what to keep, checked as a whole before anything runs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpcsim.assets import shipped_studies
from hpcsim.checked_study import CheckedStudy
from hpcsim.directory import StudyDirectory, differences
from hpcsim.errors import DirectoryError, Problem, StudyError, nearest
from hpcsim.models.model import STUDY, Model
from hpcsim.models.registry import MODELS
from hpcsim.recipe import digest, make_recipe
from hpcsim.space.parameter import Parameter
from hpcsim.study_file import read, scaled, scales

if TYPE_CHECKING:
    from hpcsim.collector.results import Results
    from hpcsim.inference.method import Finding


class Study:
    """Model, design, stages, outputs to keep and seed.

    Parameters
    ----------
    name : str
        Also the name of its directory.
    model : str or Model
        A built-in name, an entry point of the group ``hpcsim.models``, ``package.module:name``, or a model.
    space, fixed, design, outputs, resources : mapping
        As the tables of a study file.
    stages, inference : iterable of mapping
        As the tables of a study file.
    seed, replicates, preset, description
        As in ``[study]``.

    Raises
    ------
    StudyError
        With every mistake at once.

    Examples
    --------
    >>> import hpcsim
    >>> study = hpcsim.Study("rates", "nest.hagen_lif", space={"J_ext": {"linspace": [26, 32, 50]}})
    >>> len(study.design), study.design.point(0)["J_ext"]
    (50, 26.0)
    """

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
        }
        folder = Path.cwd()
        self._take(CheckedStudy(tables, name, folder, None if isinstance(model, str) else model), name, folder)

    @classmethod
    def load(cls, where: str | Path, scale: str = "") -> Study:
        """A study from a TOML file, a study's directory, or the bare name of a shipped one.

        Parameters
        ----------
        where : str or Path
        scale : str
            One of the study's ``[scales.NAME]``, such as a small one for trials.

        Raises
        ------
        StudyError
            If there is none, or with every mistake in it.
        """
        path = find(where)
        return cls.of_tables(scaled(read(path), scale, str(where)), str(where), path.resolve().parent)

    @classmethod
    def of_tables(cls, tables: Mapping[str, Any], source: str, folder: Path, model: Model | None = None) -> Study:
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

        Raises
        ------
        StudyError
            With every mistake in them.
        """
        study = cls.__new__(cls)
        study._take(CheckedStudy(tables, source, folder, model), source, folder)
        return study

    def _take(self, checked: CheckedStudy, source: str, folder: Path) -> None:
        self.file, self.source, self.folder = checked.file, source, folder
        self.name, self.seed = checked.file.study.name, checked.file.study.seed
        self.model, self.space, self.design = checked.model, checked.space, checked.design
        self.stages, self.methods, self.time_limit = checked.stages, checked.methods, checked.time_limit
        self.model_layout, self.all_outputs, self.layout = checked.model_layout, checked.all_outputs, checked.layout

    # -- what made the numbers ------------------------------------------------------------------

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the studies whose results the model and the stages use."""
        names = [str(self.space.fixed[name]) for name in self.model.inputs]
        names += [str(bound.options[option]) for bound in self.stages for option in bound.stage.inputs]
        return tuple(dict.fromkeys(name.removeprefix(STUDY) for name in names if name))

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the studies that run first: the inputs, and those that inference takes its observations from."""
        sources = [str(bound.options.get("observations", "")) for bound in self.methods]
        observed = [source.removeprefix(STUDY) for source in sources if source.startswith(STUDY)]
        return tuple(dict.fromkeys([*self.inputs, *observed]))

    def input_study(self, name: str) -> Study:
        """The study of that name at this one's scale: beside this one's file or directory, or shipped."""
        places = (self.folder.parent / name, self.folder / "runs" / name)
        beside = (self.folder / f"{name}.toml", *(place / "study.toml" for place in places))
        where = next((path for path in beside if path.exists()), name)
        scale = self.file.study.scale
        return Study.load(where, scale if scale in scales(read(find(where))) else "")

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """Everything that the numbers depend on, apart from the values of the varying parameters."""
        return make_recipe(self)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the recipe; finished points are used again when id and fingerprint agree."""
        return digest(self.recipe)

    @cached_property
    def completeness(self) -> str:
        """Digest of the recipe and the design: results that carry it hold every point."""
        return digest([self.fingerprint, self.design.digest])

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
        tables["fixed"] = {name: _plain(value) for name, value in self.space.fixed.items() if name not in self.file.space}
        tables["stages"] = [
            {"use": bound.use, **{name: _plain(value) for name, value in bound.options.items()}} for bound in self.stages
        ]
        tables["inference"] = [
            {"use": bound.name, **{name: _plain(value) for name, value in bound.options.items() if value is not None}}
            for bound in self.methods
        ]
        tables["outputs"]["keep"] = list(self.layout.outputs)
        if self.time_limit is not None:
            tables["resources"]["time"] = f"{self.time_limit!r} s"
        tables["recipe"] = self.recipe
        return tomli_w.dumps(tables)

    def verify(self, directory: StudyDirectory) -> None:
        """Check that this environment makes the numbers that the directory holds.

        Raises
        ------
        DirectoryError
            With every difference, such as another version of a simulator.
        """
        different = differences(directory.recipe(), self.recipe)
        if different:
            raise DirectoryError(
                f"{directory.path}: this environment would make other numbers than those already there:\n"
                + "\n".join(f"  {line}" for line in different)
            )

    def directory(self, path: str | Path | None = None) -> StudyDirectory:
        """Where it runs: ``runs/<name>`` unless another folder is named."""
        return StudyDirectory(Path(path) if path is not None else Path("runs") / self.name)

    def run(self, on: str = "local", directory: str | Path | None = None, **options: Any) -> Results:
        """Run what is not finished yet, collect it, and infer.

        Parameters
        ----------
        on : str
            Name of the executor: ``inline``, ``local``, ``dask`` or ``slurm``.
        directory : path, optional
            ``runs/<name>`` by default.
        **options
            As of :func:`hpcsim.scheduler.sweep.sweep`.

        Returns
        -------
        Results
        """
        from hpcsim.collector.results import Results
        from hpcsim.scheduler.sweep import sweep

        place = self.directory(directory)
        sweep(self, place, on=on, **options)
        if self.methods:
            self.infer(place, on=on, **options)
        return Results(place.results)

    def infer(self, directory: StudyDirectory, on: str = "local", **options: Any) -> list[Finding]:
        """Run the inference methods on the results, and write the report.

        Parameters
        ----------
        directory : StudyDirectory
            Gets ``inference/`` (a folder a method) and ``report.html``.
        on : str
            Name of the executor, for methods that simulate.
        **options
            As of :func:`hpcsim.scheduler.sweep.sweep`.

        Returns
        -------
        list of Finding
            In the order of the study.

        Raises
        ------
        ResultsError
            If there are no results, or they do not hold what a method needs.
        """
        from hpcsim.analysis import analyse

        return analyse(self, directory, on=on, **options)

    def __repr__(self) -> str:
        return f"<Study {self.name}: {self.model.name}, {len(self.design)} points, keeps {', '.join(self.layout.outputs)}>"


def find(where: str | Path) -> Path:
    """The file of a study: a path, a study's directory, or the bare name of a shipped study.

    Raises
    ------
    StudyError
        If there is none.
    """
    path = Path(where)
    if path.is_dir() and (path / "study.toml").exists():
        return path / "study.toml"
    if path.is_file():
        return path
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
            return f"{module}:{attribute}"
    return model.name


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
