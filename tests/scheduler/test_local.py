"""The local executor, apart from what the conformance suite asks of all."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import hpcsim

STUDY = """
[study]
name = "s"
model = "toys:single"
[space]
x = { linspace = [0, 5, 6] }
[fixed]
seconds = 0.2
[resources]
task_size = 2
"""


def test_a_machine_that_slept_goes_on(tmp_path):
    """A laptop's lid is closed while tasks run."""
    (tmp_path / "s.toml").write_text(STUDY)
    sweep = subprocess.Popen([sys.executable, "-m", "hpcsim", "run", "s.toml", "--workers", "1"], stdout=subprocess.DEVNULL)
    try:
        logs = tmp_path / "runs" / "s" / "logs"
        deadline = time.monotonic() + 300
        while not (logs.is_dir() and len(list(logs.iterdir())) >= 1) and time.monotonic() < deadline:
            time.sleep(0.05)
        sweep.send_signal(signal.SIGSTOP)
        time.sleep(2)
        sweep.send_signal(signal.SIGCONT)
        assert sweep.wait(60) == 0
    finally:
        sweep.kill()
    with hpcsim.open(tmp_path / "runs" / "s") as results:
        assert results.counts["ok"] == 6


def test_a_sweep_on_this_machine_loads_no_dask_cluster(tmp_path):
    """To load and start it takes longer than a small sweep."""
    (tmp_path / "s.toml").write_text(STUDY)
    words = """
import sys
from hpcsim.cli import main
sys.argv[1:] = ["run", "s.toml"]
try:
    main()
finally:
    print("distributed" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "False", done.stderr
    with hpcsim.open(tmp_path / "runs" / "s") as results:
        assert results.counts["ok"] == 6
