"""Fixtures that several test folders share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from absent import absent

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs in a folder of its own, and worker processes find the toy models."""
    paths = [str(HERE), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def command():
    """Run the ``hpcsim`` command as a user does; returns the finished process."""

    def run(*arguments: object, timeout: float = 120, **more: object) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "hpcsim", *map(str, arguments)]
        environment = {**os.environ, "COLUMNS": "200"}
        return subprocess.run(line, capture_output=True, text=True, timeout=timeout, env=environment, **more)

    return run


@pytest.fixture
def bernaerts_data() -> Path:
    """Public data of Bernaerts et al. 2025, in the folder that HPCSIM_DATA names."""
    folder = os.environ.get("HPCSIM_DATA", "")
    place = Path(folder) / "bernaerts2025"
    if not folder or not place.is_dir():
        absent("set HPCSIM_DATA to the folder of the public data, which holds bernaerts2025")
    return place
