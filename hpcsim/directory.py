"""A study's directory: where everything that belongs to a run is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpcsim.errors import DirectoryError, StorageError
from hpcsim.study_file import read


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
    def inference(self) -> Path:
        """One folder a method."""
        return self.path / "inference"

    @property
    def report(self) -> Path:
        """The report, as one HTML file."""
        return self.path / "report.html"

    def beside(self, name: str) -> StudyDirectory:
        """The directory of another study, beside this one."""
        return StudyDirectory(self.path.parent / name)

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
        if self.study.exists():
            self._recognise(recipe, name)
        elif self.path.exists() and any(self.path.iterdir()):
            raise DirectoryError(f"{self.path} is not empty and holds no study; give another directory with --dir")
        try:
            for folder in (self.shards, self.logs):
                folder.mkdir(parents=True, exist_ok=True)
            if not self.study.exists() or self.study.read_text(encoding="utf-8") != text:
                draft = self.study.with_suffix(".tmp")
                draft.write_text(text, encoding="utf-8")
                draft.replace(self.study)
        except OSError as error:
            raise StorageError(f"{self.path} cannot be written: {error.strerror}; give another directory with --dir") from error

    def _recognise(self, recipe: Mapping[str, Any], name: str) -> None:
        held = read(self.study)
        other = held.get("study", {}).get("name")
        if other != name:
            raise DirectoryError(f'{self.path} holds another study ("{other}", not "{name}"); give another directory with --dir')
        different = differences(held.get("recipe", {}), recipe)
        if different:
            raise DirectoryError(
                f"{self.path} holds this study as it was made in another way:\n"
                + "\n".join(f"  {line}" for line in different)
                + "\nGive another directory with --dir, or move the old one away"
            )


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


def _show(value: Any) -> str:
    if value is None:
        return "nothing"
    return f'"{value}"' if isinstance(value, str) else str(value)
