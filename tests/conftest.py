"""Fixtures that several test folders share."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from absent import absent
from headless import started
from reconstruction import ASC

from hpcsim.data.public import DATASETS

HERE = Path(__file__).parent
#: Why the tests on public data are skipped; with it and all else there, these are the only ones.
NEEDS_DATA = "need the public data of Bernaerts et al. 2025 (HPCSIM_DATA names the folder above bernaerts2025)"

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


@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium."""
    with started() as browser:
        yield browser


@pytest.fixture
def command():
    """Run the ``hpcsim`` command as a user does; returns the finished process."""

    def run(*arguments: object, timeout: float = 900, **more: object) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "hpcsim", *map(str, arguments)]
        environment = {**os.environ, "COLUMNS": "200"}
        return subprocess.run(line, capture_output=True, text=True, timeout=timeout, env=environment, **more)

    return run


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run a command in this process, which costs no start; returns what it printed."""
    from hpcsim.cli import main  # noqa: F401  makes all commands known
    from hpcsim.cli.options import app
    from hpcsim.cli.terminal import console

    def run(*arguments: object, width: int = 200) -> str:
        monkeypatch.setattr(console, "width", width)
        monkeypatch.setattr(console, "quiet", False)
        capsys.readouterr()
        app(list(map(str, arguments)), standalone_mode=False)
        return capsys.readouterr().out

    return run


@pytest.fixture(scope="session")
def bernaerts_data() -> Path:
    """Public data of Bernaerts et al. 2025, in the folder that HPCSIM_DATA names."""
    folder = os.environ.get("HPCSIM_DATA", "")
    if not folder:
        pytest.skip(NEEDS_DATA)
    place = Path(folder) / "bernaerts2025"
    if not place.is_dir():
        absent(f"HPCSIM_DATA is {folder}, where no bernaerts2025 is")
    return place


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests on public data have the marker ``data``."""
    for item in items:
        if "bernaerts_data" in getattr(item, "fixturenames", ()):
            item.add_marker("data")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Say in one line at the end how many tests were skipped, and why."""
    yield
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        # a report tells file, line, and "Skipped: why"
        reasons = Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped)
        told = "; ".join(f"{n} {why}" for why, n in reasons.most_common())
        terminalreporter.write_line(f"skipped {len(skipped)}: {told}")
