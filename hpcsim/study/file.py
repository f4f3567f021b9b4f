"""The sections of a study file: which keys there are, their types and defaults."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from hpcsim.errors import Problem, SpaceError, StudyError, nearest, shown
from hpcsim.files import regular
from hpcsim.study_reference import STUDY_NAME

#: Bytes of the longest study file, and how deep its tables and lists may be nested.
_LARGEST, _DEEPEST = 2**26, 32
_TOO_DEEP = f"is nested too deep, expected at most {_DEEPEST} levels"
_ENDLESS = re.compile(r"\d[\d_]{4000}")


class Section(BaseModel):
    """A table of the study file; a key that it does not know is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _a_switch_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        expected = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and expected in (int, int | None, float, float | None):
            raise ValueError(f"found {str(value).lower()}, expected a number")
        return value


class StudySection(Section):
    """``[study]``: what is simulated.

    Parameters
    ----------
    name : str
        What the study is called; its directory is ``runs/NAME``.
    model : str
        A model of hpcsim or of another package by its name, or one of your own as ``module:name``.
    preset : str
        One of the model's presets: parameter values that take the place of its defaults.
    seed : int
        From which the seeds of all points follow.
    replicates : int
        How many times each point is simulated, with other seeds.
    description : str
        A sentence for people.
    """

    name: str = Field(pattern=STUDY_NAME)
    model: str = Field(min_length=1)
    preset: str = ""
    seed: int = Field(default=0, ge=0, lt=2**63)
    replicates: int = Field(default=1, ge=1)
    description: str = ""
    #: at which of its scales the study is; written by hpcsim, not by hand
    scale: str = ""


class DesignSection(Section):
    """``[design]``: how points are put into the space.

    Parameters
    ----------
    method : str
        ``grid`` takes lists alone; the others draw what has a distribution.
    n : int
        How many points are drawn, for every combination of the lists.
    block : int
        The length of one Latin hypercube, where several follow one another.
    constraint : str
        An expression over parameters; draws that break it are drawn again.
    """

    method: Literal["grid", "random", "sobol", "halton", "lhs"] = "grid"
    n: int | None = None
    block: int | None = None
    constraint: str = ""


class OutputsSection(Section):
    """``[outputs]``: what is written.

    Parameters
    ----------
    keep : tuple of str
        Names of outputs of the model and of its stages; an empty list keeps everything.
    precision : str
        In ``float32`` outputs and parameters are written with 7 digits.
    """

    keep: tuple[str, ...] = ()
    precision: Literal["float32", "float64"] = "float64"


class ResourcesSection(Section):
    """``[resources]``: what one point gets, in all its MPI ranks.

    Parameters
    ----------
    ranks : int
        MPI ranks.
    threads : int
        Threads in all ranks together.
    memory : str
        Such as ``2 GB``, for Slurm; as the site says by default.
    time : str
        Such as ``10 min``; without it, a point may take as long as it likes.
    task_size : int
        Points a task; measured by default.
    """

    ranks: int = Field(default=1, ge=1)
    threads: int = Field(default=1, ge=1)
    memory: str = ""
    time: str = ""
    task_size: int | None = Field(default=None, ge=1)

    @property
    def rank_threads(self) -> int:
        """Threads of each MPI rank."""
        return max(1, self.threads // self.ranks)

    @property
    def cores(self) -> int:
        """Cores that a point keeps busy."""
        return self.ranks * self.rank_threads

    @field_validator("memory")
    @classmethod
    def _measures_memory(cls, text: str) -> str:
        if text:
            amount(text, "MB", least=1.0)
        return text


class StudyFile(Section):
    """A whole study file."""

    study: StudySection
    design: DesignSection = DesignSection()
    space: dict[str, Any] = Field(default_factory=dict)
    fixed: dict[str, Any] = Field(default_factory=dict)
    stages: list[dict[str, Any]] = Field(default_factory=list)
    outputs: OutputsSection = OutputsSection()
    resources: ResourcesSection = ResourcesSection()
    inference: list[dict[str, Any]] = Field(default_factory=list)
    sampler: dict[str, Any] = Field(default_factory=dict)
    #: what made the numbers; written by hpcsim into a study's directory, not by hand
    recipe: dict[str, Any] = Field(default_factory=dict)
    #: ends of normal distributions that reach over the bounds of their parameters; written by hpcsim, not by hand
    bounds: dict[str, Any] = Field(default_factory=dict)


def scaled(tables: Mapping[str, Any], scale: str, source: str) -> dict[str, Any]:
    """The tables of a study at one of its ``[scales.NAME]``; without a name, as they are.

    Parameters
    ----------
    tables : mapping
        As read.
    scale : str
        Its keys replace those of the study, table by table.
    source : str
        For messages.

    Raises
    ------
    StudyError
        If there is no such scale.
    """
    rest = {key: value for key, value in tables.items() if key != "scales"}
    if not scale:
        return rest
    known = scales(tables)
    if scale not in known:
        raise StudyError([Problem("scales", f'there is no scale "{scale}"', nearest(scale, known))], source)
    return _merged(_merged(rest, known[scale]), {"study": {"scale": scale}})


def scales(tables: Mapping[str, Any]) -> dict[str, Any]:
    """The scales of a study by name."""
    found = tables.get("scales")
    return {name: table for name, table in found.items() if isinstance(table, Mapping)} if isinstance(found, Mapping) else {}


def _merged(tables: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(tables)
    for key, value in changes.items():
        held = merged.get(key)
        if isinstance(held, Mapping) and isinstance(value, Mapping) and key != "space":
            merged[key] = _merged(held, value)
        else:
            merged[key] = value
    return merged


def with_lists(tables: Mapping[str, Any], folder: Path, source: str) -> dict[str, Any]:
    """The tables of a study with ``space.zip = { file = "table.csv", columns = [...] }`` as the lists of that file.

    Parameters
    ----------
    tables : mapping
        As read; without such a key they come back as they are.
    folder : Path
        Where relative paths begin.
    source : str
        For messages.

    Raises
    ------
    StudyError
        If the file cannot be read, or lacks a column.
    """
    space = tables.get("space")
    entry = space.get("zip") if isinstance(space, Mapping) else None
    if not isinstance(entry, Mapping) or not isinstance(entry.get("file"), str) or set(entry) - {"file", "columns"}:
        return dict(tables)
    # reading a study's directory must stay light: tasks do it
    from hpcsim.space.columns import read_columns

    names = entry.get("columns", [])
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise StudyError([Problem("space.zip.columns", f"found {shown(names)}, expected a list of names")], source)
    try:
        lists = read_columns(folder / entry["file"], names)
    except SpaceError as error:
        raise StudyError([Problem("space.zip.file", f'"{shown(entry["file"])}" {error}')], source) from None
    except LookupError as error:
        raise StudyError([Problem("space.zip.columns", str(error.args[0]))], source) from None
    return {**tables, "space": {**tables["space"], "zip": lists}}


def parse(tables: Mapping[str, Any], source: str) -> tuple[StudyFile, list[Problem]]:
    """Check the sections of a study.

    Returns
    -------
    file : StudyFile
        Where a key is wrong, its default is used, so that the rest can be checked as well.
    problems : list of Problem
        Every wrong key: what was found, what is allowed.

    Raises
    ------
    StudyError
        If nothing more can be checked, because the name or the model is missing or a section is no table.
    """
    try:
        return StudyFile.model_validate(dict(tables)), []
    except ValidationError as error:
        items: list[dict[str, Any]] = [dict(item) for item in error.errors()]
    problems = [as_problem(item, StudyFile) for item in items]
    try:
        return StudyFile.model_validate(_without(tables, [item["loc"] for item in items])), problems
    except ValidationError:
        raise StudyError(problems, source) from None


def _without(tables: Mapping[str, Any], locations: list[tuple[Any, ...]]) -> dict[str, Any]:
    """The same tables without the keys that are wrong."""
    rest = deepcopy(dict(tables))
    for location in locations:
        place: Any = rest
        for part in location[:-1]:
            place = place[part] if isinstance(place, dict) and part in place else {}
        if isinstance(place, dict):
            place.pop(location[-1], None)
    return rest


def read(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises
    ------
    StudyError
        If it cannot be read, or is not TOML (with line and column).
    """
    try:
        # some editors begin UTF-8 with a mark
        text = regular(path, _LARGEST).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise StudyError([Problem(str(path), f"cannot be read: {error.strerror}")], "study") from None
    except UnicodeDecodeError:
        raise StudyError([Problem("file", "is not UTF-8 text; save it as UTF-8")], str(path)) from None
    try:
        tables = tomllib.loads(text)
    except RecursionError:
        raise StudyError([Problem("file", _TOO_DEEP)], str(path)) from None
    except tomllib.TOMLDecodeError as error:
        raise StudyError([Problem("file", f"is not TOML: {error}")], str(path)) from None
    except ValueError:
        # the one that Python refuses to read
        line = next((number for number, line in enumerate(text.splitlines(), 1) if _ENDLESS.search(line)), 0)
        message = f"has a number of thousands of digits in line {line}, expected one that float64 holds"
        raise StudyError([Problem("file", message)], str(path)) from None
    deep = [key for key, value in tables.items() if _deeper(value, _DEEPEST - 1)]
    if deep:
        raise StudyError([Problem(key, _TOO_DEEP) for key in deep], str(path))
    return tables


def _deeper(value: object, levels: int) -> bool:
    """Whether tables and lists are nested deeper than what walks through them later may go."""
    items = list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, list) else []
    return levels < 0 or any(_deeper(item, levels - 1) for item in items if isinstance(item, (Mapping, list)))


def amount(text: str, unit: str, least: float | None = None) -> float:
    """A quantity that someone wrote, as a number in a unit.

    Parameters
    ----------
    text : str
        Such as ``4 GB``; a plain number is in `unit` already.
    unit : str
    least : float, optional
        The smallest number that is allowed.

    Raises
    ------
    UnitError, SpaceError
        If it is no such quantity, or too small.

    Examples
    --------
    >>> amount("4 GB", "MB"), amount("1.5 h", "s")
    (4000.0, 5400.0)
    """
    # reading a study's directory must stay light: tasks do it
    from hpcsim.space.parameter import Parameter
    from hpcsim.space.units import exact, quantity

    number, _, own = text.strip().partition(" ")
    factor = _FACTORS.get((own, unit))
    value = exact(quantity(number)[0]) * factor if factor else text
    return float(Parameter("amount", 1.0, unit, (least, None)).resolve(value))  # type: ignore[arg-type]


#: Units of memory and time in others, the usual ones: setting up all units that there are takes half a second.
_FACTORS = {("GB", "MB"): 1000, ("min", "s"): 60, ("h", "s"): 3600}


def as_problem(item: Mapping[str, Any], root: type[Section]) -> Problem:
    """Pydantic's words for a mistake in the tables of `root`, in ours."""
    location = [str(part) for part in item["loc"]]
    key = ".".join(location)
    found = shown(_repr(item.get("input")))
    match item["type"]:
        case "extra_forbidden":
            return Problem(key, "there is no such key", nearest(location[-1], _keys(location[:-1], root)))
        case "missing":
            return Problem(key, "is missing", "give it a value")
        case "string_pattern_mismatch":
            return Problem(
                key,
                f"found {found}; a name starts with a letter or digit and has letters, digits, dots, dashes and underscores",
            )
        case "literal_error":
            allowed = str(item["ctx"]["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
            return Problem(key, f"found {found}, allowed: {', '.join(allowed)}", nearest(str(item.get("input")), allowed))
        case "value_error":
            return Problem(key, str(item["ctx"]["error"]))
        case _:
            return Problem(key, f"found {found}: {str(item['msg'])[0].lower()}{str(item['msg'])[1:]}")


def _repr(value: object) -> str:
    try:
        return repr(value)
    except ValueError:
        return shown(value)


def _keys(location: list[str], root: type[Section]) -> list[str]:
    """The keys that a section knows."""
    section: Any = root
    for part in location:
        section = section.model_fields[part].annotation
    return [name for name in section.model_fields if name not in ("recipe", "bounds")]
