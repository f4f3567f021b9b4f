"""The tree of errors: what a program catches, and what the command ends with."""

from __future__ import annotations

from collections.abc import Iterator

from hpcsim.collector import STATUSES
from hpcsim.errors import HpcsimError
from reference_pages.markdown import code, page, prose, table


def tree(kind: type[HpcsimError] = HpcsimError) -> Iterator[type[HpcsimError]]:
    """The error and all below it, parents first; those of hpcsim alone."""
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == HpcsimError.__module__:
            yield from tree(child)


def errors() -> str:
    """The page of errors and messages."""
    rows = []
    for kind in tree():
        depth = len([base for base in kind.__mro__ if issubclass(base, HpcsimError)]) - 1
        bases = ", ".join(code(base.__name__) for base in kind.__bases__)
        doc = (kind.__doc__ or "").strip().partition("\n\n")[0]
        rows.append(
            ("&emsp;" * depth + code(kind.__name__), bases, str(kind.exit_code), "yes" if kind.retryable else "", prose(doc))
        )
    about = (
        "Every error that hpcsim raises on purpose is a `hpcsim.HpcsimError`, and also the error of Python that one would "
        "expect. "
        "Its message says what was found, what was expected, where, and what to do. `exit_code` is what the command ends with; "
        "`retryable` says whether the same call may succeed later without a change."
    )
    states = table(("`status` of a row", "means"), [(str(number), word) for number, word in enumerate(STATUSES)])
    failed = (
        "## Points that fail\n\nA point that fails is no error of the sweep: it is a row with a status and a reason.\n\n" + states
    )
    study = (
        "## Mistakes in a study\n\nAll mistakes of a file are said at once, a line each, with the key and the nearest word: "
        "`StudyError.problems` has them as `Problem(key, message, hint)`."
    )
    return page("Errors and messages", about, table(("error", "is a", "exit code", "retryable", "means"), rows), study, failed)
