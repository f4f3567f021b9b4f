"""The local executor, apart from what the conformance suite asks of all."""

from __future__ import annotations

import os
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
x = { linspace = [0, 11, 12] }
[fixed]
seconds = 0.4
[resources]
task_size = 2
"""


def test_a_machine_that_slept_goes_on(tmp_path):
    """A laptop's lid is closed for longer than Dask waits for a sign of life of its workers."""
    (tmp_path / "s.toml").write_text(STUDY)
    environment = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "1s"}
    sweep = subprocess.Popen(
        [sys.executable, "-m", "hpcsim", "run", "s.toml", "--workers", "1"], env=environment, stdout=subprocess.DEVNULL
    )
    try:
        logs = tmp_path / "runs" / "s" / "logs"
        deadline = time.monotonic() + 60
        while not (logs.is_dir() and len(list(logs.iterdir())) >= 1) and time.monotonic() < deadline:
            time.sleep(0.05)
        sweep.send_signal(signal.SIGSTOP)
        time.sleep(8)  # more than ten heartbeats, which is the least that Dask waits
        sweep.send_signal(signal.SIGCONT)
        assert sweep.wait(60) == 0
    finally:
        sweep.kill()
    with hpcsim.open(tmp_path / "runs" / "s") as results:
        assert results.counts["ok"] == 12
