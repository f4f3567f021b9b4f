"""How many code blocks of the pages were run."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest


@dataclass
class Count:
    """What became of the blocks of a page.

    Attributes
    ----------
    run, checked : int
        Blocks that were run; those that were parsed or read.
    elsewhere, skipped : list of str
        Blocks that another test runs, and those that nobody runs, with the reason.
    """

    run: int = 0
    checked: int = 0
    elsewhere: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def __add__(self, other: Count) -> Count:
        lists = self.elsewhere + other.elsewhere, self.skipped + other.skipped
        return Count(self.run + other.run, self.checked + other.checked, *lists)

    def __str__(self) -> str:
        total = self.run + self.checked + len(self.elsewhere) + len(self.skipped)
        return (
            f"{total} code blocks in README and docs: {self.run} run, {self.checked} parsed or read, "
            f"{len(self.elsewhere)} run by other tests, {len(self.skipped)} not run"
        )


#: The count of all pages, for the last lines of pytest.
COUNT = pytest.StashKey[Count]()
