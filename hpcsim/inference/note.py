"""A note on a finding: one sentence with its figure, how serious it is, and what helps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

#: How serious a note is: something to know, or something that makes a number less trustworthy.
Severity = Literal["info", "warning"]


class Note(str):
    """A sentence for the reader, which also knows what it is about.

    It is a text, so that it is shown alike by the terminal, the summary and the report.

    Parameters
    ----------
    text : str
        What was found, with the figures.
    kind : str
        One word for programs, such as ``overconfident`` or ``leakage``.
    severity : str
        ``info`` or ``warning``.
    figure : float, optional
        The number that the note is about.
    advice : str
        What helps; it becomes the end of the text.

    Examples
    --------
    >>> note = Note("60 % of the posterior lies outside the prior.", "leakage", "warning", 60.0, "Widen the prior.")
    >>> print(note)
    60 % of the posterior lies outside the prior. Widen the prior.
    >>> note.kind, note.figure
    ('leakage', 60.0)
    """

    kind: str
    severity: Severity
    figure: float | None
    advice: str

    def __new__(
        cls, text: str, kind: str = "note", severity: Severity = "info", figure: float | None = None, advice: str = ""
    ) -> Note:
        """The text and its advice, with what they are about."""
        note = super().__new__(cls, f"{text} {advice}".strip())
        note.kind, note.severity, note.figure, note.advice = kind, severity, figure, advice
        return note

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        text = self.removesuffix(self.advice).rstrip()
        return {"kind": self.kind, "severity": self.severity, "text": text, "figure": self.figure, "advice": self.advice}

    @classmethod
    def of(cls, plain: str | Mapping[str, Any]) -> Note:
        """A note from a plain text, or from what `to_dict` gave."""
        if isinstance(plain, str):
            return plain if isinstance(plain, cls) else cls(plain)
        return cls(plain["text"], plain["kind"], plain["severity"], plain["figure"], plain["advice"])


def is_warning(note: str) -> bool:
    """Whether a note is a warning; a plain text is none."""
    return Note.of(note).severity == "warning"
