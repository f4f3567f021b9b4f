"""What changed between two states of a user's own code, in words and as a short diff."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import unified_diff

from hpcsim.source.code import definitions

#: Lines of a diff that are shown, of each file and of all.
_LINES, _ALL = 24, 60


def describe(
    held: Mapping[str, str], now: Mapping[str, str], before: Mapping[str, bytes], after: Mapping[str, bytes]
) -> list[str]:
    """Lines that say which files changed, and how.

    Parameters
    ----------
    held, now : mapping of str to str
        Digests of files, and versions of packages, as they were and as they are.
    before, after : mapping of str to bytes
        The files, as far as they are kept.
    """
    lines: list[str] = []
    for name in sorted({*held, *now}):
        old, new = held.get(name), now.get(name)
        if old == new:
            continue
        if old is None:
            lines.append(f"{name}: is part of the code now, and was not")
        elif new is None:
            lines.append(f"{name}: was part of the code, and is not any more")
        elif name in before and name in after:
            lines += _changed(name, before[name], after[name], min(_LINES, max(0, _ALL - len(lines))))
        elif "/" in name or "." in name:
            lines.append(f"{name}: its content changed")
        else:
            lines.append(f"{name}: version {old} there, {new} now")
    return lines


def _changed(name: str, before: bytes, after: bytes, room: int) -> list[str]:
    """One file: the names in it that changed, and a diff of at most `room` lines."""
    try:
        old, new = before.decode("utf-8").splitlines(), after.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        return [f"{name}: its content changed"]
    names = _names(before, after) if name.endswith(".py") else []
    diff = list(unified_diff(old, new, "there", "now", lineterm="", n=1))
    more = [f"  ... and {len(diff) - room} more lines"] if len(diff) > room else []
    return [f"{name} changed" + (f" in {', '.join(names)}" if names else "") + ":", *(f"  {line}" for line in diff[:room]), *more]


def _names(before: bytes, after: bytes) -> list[str]:
    """Functions, classes and constants that are not the same."""
    old, new = definitions(before), definitions(after)
    return [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
