"""An environment of its own for each peer, made when it is first needed and kept in hpcsim's cache."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from hpcsim.paths import cache_directory

#: Prints the versions of the packages that are named, as JSON.
_VERSIONS = (
    "import json, sys; from importlib.metadata import version; print(json.dumps({name: version(name) for name in sys.argv[1:]}))"
)


class NotInstalledError(Exception):
    """A peer that cannot be installed here, with the reason."""


def names(requirements: Sequence[str]) -> list[str]:
    """Names of packages without what is asked of their versions."""
    return [requirement.split("[")[0].split("=")[0].split("<")[0].split(">")[0].strip() for requirement in requirements]


def here(requirements: Sequence[str]) -> dict[str, str]:
    """Versions of packages in the environment that runs this.

    Raises
    ------
    NotInstalledError
    """
    try:
        return {name: version(name) for name in names(requirements)}
    except PackageNotFoundError as error:
        raise NotInstalledError(f"{error.name} is not installed beside hpcsim") from None


def python_of(peer: str, requirements: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The interpreter of an environment with these packages, and their versions.

    Raises
    ------
    NotInstalledError
        With the last words of pip.
    """
    tag = hashlib.sha256(json.dumps([*requirements, sys.version]).encode()).hexdigest()[:8]
    folder = cache_directory() / "peers" / f"{peer}-{tag}"
    python, ready = folder / "bin" / "python", folder / "versions.json"
    if not ready.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements])
        ready.write_text(_run([str(python), "-c", _VERSIONS, *names(requirements)]))
    return str(python), json.loads(ready.read_text())


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in done.stderr.strip().splitlines() if "WARNING" not in line] or ["without a word"]
        raise NotInstalledError(f"{Path(command[0]).name} {' '.join(command[1:4])} ... failed: {lines[-1]}")
    return done.stdout
