"""What is stored once with the results: where the numbers come from."""

from __future__ import annotations

import json
import platform
import shlex
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path


def describe(study: str, command: Sequence[str], folder: Path) -> dict[str, str]:
    """Study file, versions of all packages, git revision, command line, machine.

    Parameters
    ----------
    study : str
        The study as TOML.
    command : sequence of str
        The command line.
    folder : Path
        Where to look for a git revision.

    Returns
    -------
    dict of str to str
    """
    return {
        "study": study,
        "versions": json.dumps(_versions(), sort_keys=True),
        "git_revision": _git_revision(folder),
        "command": shlex.join(command),
        "hpcsim": _own_version(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _versions() -> dict[str, str]:
    found = {}
    for item in distributions():
        # the head alone: to parse the whole text of each package as an e-mail costs a quarter of a second
        head = (item.read_text("METADATA") or item.read_text("PKG-INFO") or "").partition("\n\n")[0]
        fields = dict(line.split(": ", 1) for line in head.splitlines() if line.startswith(("Name: ", "Version: ")))
        found[fields.get("Name", "")] = fields.get("Version", "")
    return found


def _own_version() -> str:
    try:
        return version("hpcsim")
    except PackageNotFoundError:
        return "not installed"


def _git_revision(folder: Path) -> str:
    """Revision of the user's folder, with "+" where files differ from it; empty outside of git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty=+", "--abbrev=40", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
