"""How a parameter or an option names another study: ``study:NAME``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

#: What a study may be called: its name becomes a folder and a part of job names, so no spaces and no shell characters.
STUDY_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}$"
_PREFIX = "study:"


@dataclass(frozen=True)
class StudyReference:
    """Another study, by its name.

    Its file is found by :meth:`hpcsim.study.study.Study.input_study`, its results by
    :meth:`hpcsim.study.directory.StudyDirectory.results_of`.

    Parameters
    ----------
    name : str

    Examples
    --------
    >>> StudyReference.parse("study:hagen_kernel")
    StudyReference(name='hagen_kernel')
    >>> print(StudyReference.parse("table.csv"), StudyReference.of("hagen_kernel"))
    None study:hagen_kernel
    """

    name: str

    @classmethod
    def parse(cls, value: object) -> Self | None:
        """From ``study:NAME``; None for anything else, where a file may be named as well."""
        text = str(value)
        return cls(text.removeprefix(_PREFIX)) if text.startswith(_PREFIX) else None

    @classmethod
    def of(cls, value: object) -> Self | None:
        """From ``study:NAME`` or ``NAME``, where it can be nothing but a study; None for an empty text."""
        return cls.parse(value) or (cls(str(value)) if str(value) else None)

    @property
    def problem(self) -> str:
        """Why no study can have this name, or an empty text."""
        if re.match(STUDY_NAME, self.name):
            return ""
        return f'found "{self}", expected {_PREFIX}NAME, where NAME has letters, digits and "_ . -"'

    def __str__(self) -> str:
        return f"{_PREFIX}{self.name}"
