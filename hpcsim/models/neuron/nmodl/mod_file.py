"""Mod files as text: which mechanism one makes, and its digest."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from hpcsim.errors import SimulationError, nearest
from hpcsim.source.simulator_files import included

_COMMENTS = re.compile(r"^\s*COMMENT\b.*?^\s*ENDCOMMENT\b|[:?][^\n]*", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r"^\s*TITLE\b[^\n]*", re.MULTILINE)
_NAME = re.compile(r"\bNEURON\s*\{[^}]*?\b(?:SUFFIX|POINT_PROCESS|ARTIFICIAL_CELL)\s+(\w+)")


def mod_files(path: Path) -> list[Path]:
    """A mod file, or all of a folder.

    Raises
    ------
    SimulationError
        If it is not there, is no mod file, or the folder has none.
    """
    if path.is_dir():
        found = sorted(path.glob("*.mod"))
        if not found:
            raise SimulationError(f"{path.absolute()} has no mod files")
        return found
    if not path.is_file():
        there = {file.name for file in path.parent.glob("*.mod")}
        hint = nearest(path.name, there) if there else "the folder has no mod files"
        raise SimulationError(f"the mod file {path.absolute()} is not there; {hint}")
    if path.suffix != ".mod":
        raise SimulationError(f"{path.absolute()} is no mod file: its name does not end with .mod")
    return [path]


def mechanism_name(path: Path) -> str:
    """What NEURON will call the mechanism of a mod file: its SUFFIX, or the name of its point process.

    Returns
    -------
    str
        The name of the file where it makes no mechanism.
    """
    found = _NAME.search(_TITLE.sub("", _COMMENTS.sub("", _text(path))))
    return found[1] if found and found[1] != "nothing" else path.stem


def digest(path: Path) -> str:
    """SHA-256 of a mod file; where it includes others, of these as well."""
    parts = [file.read_bytes() for file in (path, *included(path))]
    if len(parts) > 1:
        parts = [hashlib.sha256(part).digest() for part in parts]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _text(path: Path) -> str:
    # old mod files have umlauts of another age in their comments
    return path.read_text(encoding="utf-8", errors="replace")
