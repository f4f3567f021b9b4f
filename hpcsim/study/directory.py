"""A study's directory: where everything that belongs to a run is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpcsim.errors import DirectoryError, ResultsError, StorageError
from hpcsim.files import write_text
from hpcsim.source.record import is_record
from hpcsim.study.file import read

if TYPE_CHECKING:
    from hpcsim.collector.format.table import Table


@dataclass(frozen=True)
class StudyDirectory:
    """The folder of one run; it can be moved, archived and sent.

    Parameters
    ----------
    path : Path
        ``runs/<name>`` under the current folder unless the user names another.
    """

    path: Path

    @property
    def study(self) -> Path:
        """The study as it was checked, with every default written out."""
        return self.path / "study.toml"

    @property
    def results(self) -> Path:
        """The collector's work."""
        return self.path / "results.h5"

    @property
    def shards(self) -> Path:
        """Finished points that the results do not hold yet."""
        return self.path / "shards"

    @property
    def logs(self) -> Path:
        """One log a task."""
        return self.path / "logs"

    @property
    def lock(self) -> Path:
        """Who runs a sweep here; there only while one runs."""
        return self.path / ".run.lock"

    @property
    def inference(self) -> Path:
        """One folder a method."""
        return self.path / "inference"

    def finding(self, number: int, method: str) -> Path:
        """The folder of the method of that number."""
        return self.inference / f"{number}_{method.rpartition('.')[2]}"

    @property
    def report(self) -> Path:
        """The report, as one HTML file."""
        return self.path / "report.html"

    @property
    def explorer(self) -> Path:
        """The page with its points, which the report leads to."""
        return self.path / "explore.html"

    def result_files(self) -> list[Path]:
        """Files that may hold finished points: the results and the shards."""
        # tasks read a directory, too, and stay light
        from hpcsim.collector.shard import shard_files

        results = [self.results] if self.results.exists() else []
        return [*results, *shard_files(self.shards)]

    def report_is_old(self) -> bool:
        """Whether there is no report, or results have been written since."""
        if not self.report.exists():
            return True
        return self.results.exists() and self.results.stat().st_mtime_ns > self.report.stat().st_mtime_ns

    def beside(self, name: str) -> StudyDirectory:
        """The directory of another study, beside this one."""
        return StudyDirectory(self.path.parent / name)

    def results_of(self, name: str) -> Table:
        """Results of another study, beside this one.

        Raises
        ------
        ResultsError
            If they are not there.
        """
        from hpcsim.collector.format.table import Table

        path = self.beside(name).results
        if not path.exists():
            raise ResultsError(f"{self.path} needs the results of the study {name}, but there is no {path}; run {name} first")
        return Table(path)

    def recipe(self) -> dict[str, Any]:
        """What made, or will make, the numbers in this directory; empty when nothing is here yet."""
        return dict(read(self.study).get("recipe", {})) if self.study.exists() else {}

    def open(self, text: str, recipe: Mapping[str, Any], name: str) -> None:
        """Make the directory this study's own, or recognise that it is.

        Parameters
        ----------
        text : str
            The study as TOML.
        recipe : mapping
            What makes the numbers.
        name : str
            The study's name.

        Raises
        ------
        DirectoryError
            If it holds another study, or this one made in another way, or something else.
        StorageError
            If it cannot be written.
        """
        self.recognise(name)
        different = differences(self.recipe(), recipe) if self.study.exists() else []
        if different:
            raise DirectoryError(
                f"{self.path} holds this study as it was made in another way:\n"
                + "\n".join(f"  {line}" for line in different)
                + "\nGive another directory with --dir, or move the old one away"
            )
        self.write(text)

    def recognise(self, name: str) -> None:
        """Check that the directory is this study's, or nobody's yet.

        Raises
        ------
        DirectoryError
            If it holds another study, or something else.
        """
        if self.study.exists():
            other = read(self.study).get("study", {}).get("name")
            if other != name:
                raise DirectoryError(
                    f'{self.path} holds another study ("{other}", not "{name}"); give another directory with --dir'
                )
        elif self.path.exists() and not all(map(self._is_of_a_beginning, self.path.iterdir())):
            raise DirectoryError(f"{self.path} is not empty and holds no study; give another directory with --dir")

    def _is_of_a_beginning(self, path: Path) -> bool:
        """Whether a process that was killed before it wrote the study down may have left this: nothing that somebody misses."""
        if path.is_symlink():
            return False
        if path.name.startswith((self.lock.name, f".{self.study.name}.")):
            return path.is_file()
        if path in (self.shards, self.logs):
            return path.is_dir() and not any(path.iterdir())
        return is_record(path)

    def write(self, text: str) -> None:
        """Write the study down, and make folders for what it leaves.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        try:
            for folder in (self.shards, self.logs):
                folder.mkdir(parents=True, exist_ok=True)
            if not self.study.exists() or self.study.read_text(encoding="utf-8") != text:
                write_text(self.study, text)
        except OSError as error:
            raise StorageError(f"{self.path} cannot be written: {error.strerror}; give another directory with --dir") from error


def differences(held: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Where two recipes differ, a line each.

    Examples
    --------
    >>> differences({"seed": 1, "versions": {"nest": "3.9"}}, {"seed": 1, "versions": {"nest": "3.10"}})
    ['versions.nest: there "3.9", now "3.10"']
    """
    lines: list[str] = []
    for key in sorted({*held, *wanted}):
        there, now = held.get(key), wanted.get(key)
        if isinstance(there, Mapping) and isinstance(now, Mapping):
            lines += differences(there, now, f"{prefix}{key}.")
        elif there != now:
            lines.append(f"{prefix}{key}: there {_show(there)}, now {_show(now)}")
    return lines


def _show(value: object) -> str:
    if value is None:
        return "nothing"
    return f'"{value}"' if isinstance(value, str) else str(value)
