"""Fixtures that several test folders share."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from absent import absent
from reconstruction import ASC

from hpcsim.data import DATASETS

HERE = Path(__file__).parent

# a shell that starts pytest in the background has Ctrl-C ignored, and what tests start would inherit that
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs in a folder of its own, and worker processes find the toy models."""
    paths = [str(HERE), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def reconstruction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small neuron takes the place of the reconstruction of Hay et al. (2011), which has no licence to pass on."""
    path = tmp_path / "public" / "hay2011" / "cell1.asc"
    path.parent.mkdir(parents=True)
    path.write_text(ASC)
    known = replace(DATASETS["hay2011/cell1.asc"], checksum=f"sha256:{hashlib.sha256(ASC.encode()).hexdigest()}")
    monkeypatch.setitem(DATASETS, "hay2011/cell1.asc", known)
    monkeypatch.setenv("HPCSIM_DATA", str(tmp_path / "public"))
    return path


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
