"""Whether a study's results and shards are what they should be: every value, every id, every point of the design."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hpcsim.collector.format.guard import reading
from hpcsim.collector.format.ids import Ids
from hpcsim.collector.format.inspection import COLUMNS, inspect
from hpcsim.collector.format.schema import OK, RECIPE, Schema
from hpcsim.collector.format.soundness import CHECKSUM, blocks, provenance_checksum
from hpcsim.collector.format.table import Table
from hpcsim.collector.format.text import kind_of, shape_of
from hpcsim.collector.shard import shard_files, verify
from hpcsim.errors import DirectoryError, HpcsimError
from hpcsim.lock import holder
from hpcsim.outputs import Layout
from hpcsim.scheduler.plan import BLOCK
from hpcsim.scheduler.state.recovery import identities, recover
from hpcsim.scheduler.sweep_lock import one_sweep
from hpcsim.space.identity import point_seeds
from hpcsim.study.directory import StudyDirectory, differences
from hpcsim.study.history import changed_since, fingerprints
from hpcsim.study.study import Study


@dataclass(frozen=True)
class Defect:
    """One thing that is not as it should be.

    Parameters
    ----------
    where : str
        The file.
    what : str
        What was found and what was expected.
    remedy : str
        What to do.
    """

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.remedy}"


@dataclass
class CheckReport:
    """What a check found.

    Parameters
    ----------
    total : int
        Points in the design.
    collected, waiting, missing : int
        Points of the design in sound rows of the results, in sound shards alone, and in neither.
    failed : int
        Points that are finished and did not succeed: no fault of the files.
    extra : int
        Rows of points that are not in the design (any more): no fault either.
    defects : list of Defect
        What is wrong; empty if all is well.
    notes : list of str
        What is right and worth knowing.
    """

    total: int
    collected: int = 0
    waiting: int = 0
    missing: int = 0
    failed: int = 0
    extra: int = 0
    defects: list[Defect] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every file is sound and the results hold every point of the design."""
        return not self.defects


def check(study: Study, directory: StudyDirectory) -> CheckReport:
    """Read all results and shards of a study, and compare them with its design. Nothing is changed.

    Values are compared with their checksums, ids with the parameters beside them and with the design, seeds with the
    ids, and columns, units and coordinates with the study.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory

    Returns
    -------
    CheckReport
    """
    report = CheckReport(len(study.design))
    held = directory.recipe()
    for line in differences(held, study.recipe) if held and held not in (study.recipe, study.earlier_recipe) else ():
        what = f"this study and environment would make other numbers than those that are there: {line}"
        report.defects.append(Defect(str(directory.study), what, "restore them, or give another directory with --dir"))
    found: list[tuple[np.ndarray, np.ndarray]] = []
    recipes = fingerprints(study, directory)
    if directory.results.exists():
        repair = f"`hpcsim check --repair {directory.path}` sets it aside and keeps what can be read, then run the study again"
        found.append(_read(study, directory.results, recipes, report, repair))
    collected = sum(len(ids) for ids, _ in found)
    for path in shard_files(directory.shards):
        again = f"`hpcsim run {directory.path}` sets it aside and simulates its points again"
        try:
            verify(path)
        except FileNotFoundError:
            continue  # collected meanwhile
        except HpcsimError as error:
            report.defects.append(Defect(str(path), getattr(error, "reason", str(error).split("; its points")[0]), again))
            continue
        found.append(_read(study, path, recipes, report, again))
    _compare(study, directory, report, found, collected)
    _others(directory, report)
    return report


def repair(study: Study, directory: StudyDirectory) -> list[str]:
    """Check, and set results aside that are not sound; their readable points are kept. Returns what was done.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory

    Raises
    ------
    BusyError
        If another process runs a sweep in this directory.
    DirectoryError
        If the directory holds points of another study, seed or code than the study's: those are not damaged.
    """
    with one_sweep(directory, "hpcsim check --repair"):
        if words := changed_since(study, directory):
            raise DirectoryError(f"{words}; nothing was repaired, since what belongs to another study is not damaged")
        wrong = [defect.what for defect in check(study, directory).defects if defect.where == str(directory.results)]
        return recover(study, directory, wrong[0]) if wrong else []


def _read(study: Study, path: Path, recipes: Collection[str], report: CheckReport, remedy: str) -> tuple[np.ndarray, np.ndarray]:
    """Ids of the sound rows of a file, and whether each succeeded; what is wrong goes into the report."""
    ids, good = [np.empty(0, "S32")], [np.empty(0, bool)]

    def wrong(what: str) -> None:
        report.defects.append(Defect(str(path), what, remedy))

    try:
        with Table(path) as table:
            inspect(table)
            for line in _unlike(study, table):
                wrong(line)
            if table.attrs.get("fingerprint") not in recipes:
                what = "it was made by another recipe of this study: another seed, code or version"
                report.defects.append(Defect(str(path), what, "`hpcsim run` of the study says what differs, and how to go on"))
                return ids[0], good[0]
            for block in blocks(table):
                rows = f"points {block.start:,} to {block.stop:,}"
                if block.damage:
                    wrong(f"{rows} are damaged: {block.damage}")
                    continue
                sound = identities(study, block) == block.records["id"]
                sound &= block.records["seed"] == point_seeds(study.seed, block.records["id"])
                if not sound.all():
                    wrong(f"{(~sound).sum():,} of the {rows} have an id or a seed that does not fit their parameters")
                ids.append(block.records["id"][sound])
                good.append(block.records["status"][sound] == OK)
    except FileNotFoundError:
        pass  # collected meanwhile
    except (HpcsimError, OSError, KeyError) as error:
        wrong(f"it is damaged: {getattr(error, 'reason', error)}")
    return np.concatenate(ids), np.concatenate(good)


def _unlike(study: Study, table: Table) -> Iterator[str]:
    """Where a file says other things about itself than it should, or its columns are not those of the study."""
    with reading(table.path):
        if table.attrs.get(CHECKSUM, 0) and provenance_checksum(table.file) != table.attrs[CHECKSUM]:
            yield "what it says about where it comes from is damaged"
    schema = Schema(study.columns, study.layout, precision=study.file.outputs.precision)
    if table.attrs.get("schema") != schema.digest:
        yield "its outputs, parameters or coordinates are not those of the study"
        return
    expected = {column.name: column for column in schema.columns}
    present = {name for role in COLUMNS for name in table.names(role)} - {RECIPE}
    if present != set(expected):
        yield f"its columns are not those of the study: {', '.join(sorted(present ^ set(expected)))}"
        return
    for name, column in expected.items():
        dataset = table.member(name)
        its = (kind_of(dataset), shape_of(dataset)[1:], table.unit(name), table.dims(name), table.roles[name])
        if its != (np.dtype(column.dtype), column.shape, column.unit, (column.leading, *column.dims), column.role):
            yield f'"{name}" has another type, shape, unit or role than in the study'
    layout: Layout = table.layout
    for dim, coordinate in study.layout.coordinates.items():
        if dim not in layout.coordinates or not layout.coordinates[dim].same(coordinate):
            yield f'the coordinate "{dim}" is not that of the study'


def _compare(
    study: Study, directory: StudyDirectory, report: CheckReport, found: list[tuple[np.ndarray, np.ndarray]], held: int
) -> None:
    """Compare the ids of all sound rows with the design; `held` of them are in the results."""
    ids = np.concatenate([np.empty(0, "S32"), *(its for its, _ in found)])
    good = np.concatenate([np.empty(0, bool), *(its for _, its in found)])
    known = Ids(ids)
    twice = held - len(np.unique(known.first[:held]))
    if twice:
        remedy = f"`hpcsim check --repair {directory.path}` keeps each once"
        report.defects.append(Defect(str(directory.results), f"{twice:,} rows are of points that stand there already", remedy))
    succeeded, wanted = np.zeros(len(ids), bool), np.zeros(len(ids), bool)
    np.logical_or.at(succeeded, known.first, good)
    for start in range(0, report.total, BLOCK):
        at = known.find(study.design.ids(start, min(start + BLOCK, report.total)))
        there = at[at >= 0]
        wanted[there] = True
        report.missing += len(at) - len(there)
        report.collected += int((there < held).sum())
        report.waiting += int((there >= held).sum())
        report.failed += int((~succeeded[there]).sum())
    report.extra = int((~wanted[known.first]).sum())
    run = f"`hpcsim run {directory.path}`"
    if report.waiting:
        what = f"{report.waiting:,} finished points are in shards and not in the results"
        report.defects.append(Defect(str(directory.shards), what, f"{run} or `hpcsim collect {directory.path}` moves them"))
    if report.missing:
        what = f"{report.missing:,} of {report.total:,} points are missing"
        report.defects.append(Defect(str(directory.path), what, f"{run} simulates them"))


def _others(directory: StudyDirectory, report: CheckReport) -> None:
    """What was set aside, and who is at work."""
    for folder in ("damaged", "refused"):
        count = len(shard_files(directory.shards / folder))
        if count:
            report.notes.append(f"{directory.shards / folder} has {count} shards that were set aside; nothing needs them")
    for path in sorted(directory.path.glob("results.damaged-*.h5")):
        report.notes.append(f"{path} was set aside; nothing needs it")
    at_work = holder(directory.lock)
    if at_work is not None:
        report.notes.append(f"{at_work} is at work here: what is missing may be on its way")
