"""Where the files that ship with hpcsim are: studies, job scripts, mechanisms."""

from __future__ import annotations

from pathlib import Path

from hpcsim.errors import HpcsimError


def folder(name: str) -> Path:
    """The folder ``params``, ``jobs`` or ``mod``, in an installed wheel or in a checkout.

    Raises
    ------
    HpcsimError
        If the installation lacks it.
    """
    package = Path(__file__).resolve().parent
    for candidate in (package / name, package.parent / name):
        if candidate.is_dir():
            return candidate
    raise HpcsimError(f'the folder "{name}" is missing beside {package}; install hpcsim again')


def shipped_studies() -> dict[str, Path]:
    """Ready-made studies by name."""
    return {path.stem: path for path in sorted(folder("params").glob("*.toml"))}
