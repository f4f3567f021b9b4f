"""``hpcsim slurm-demo``: a command, and a Slurm that comes and goes with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from absent import absent

from hpcsim.cli.slurm_cluster import missing

pytestmark = pytest.mark.slurm


@pytest.fixture(autouse=True)
def _programs():
    if without := missing():
        absent(f"Slurm: no {', '.join(without)}; scripts/slurm-install.sh")


def test_a_command_runs_beside_a_slurm_of_its_own(command):
    # options after the command's name are its own
    ask = 'srun -N2 -n2 sh -c "echo on \\$SLURMD_NODENAME"; echo "at $SLURM_CONF"; exit 3'
    done = command("slurm-demo", "--nodes", 2, "--cpus", 4, "bash", "-c", ask)
    assert done.returncode == 3, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Slurm is up: 2 emulated nodes of 4 CPUs in partition debug") and lines[-1] == "Slurm ends"
    assert {"on n1", "on n2"} <= set(lines)
    [config] = [line.split()[1] for line in lines if line.startswith("at ")]
    assert not Path(config).parent.exists()


def test_a_command_that_is_not_there_is_named_and_slurm_ends(command):
    done = command("slurm-demo", "no-such-command")
    assert done.returncode == 1 and done.stdout.splitlines()[-1] == "Slurm ends"
    assert done.stderr == "error: no-such-command cannot be started: No such file or directory\n"


def test_who_asks_it_to_end_ends_the_command_and_slurm():
    line = [sys.executable, "-u", "-m", "hpcsim", "slurm-demo", "sh", "-c", "echo $SLURM_CONF; exec sleep 600"]
    demo = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    up, config = demo.stdout.readline(), Path(demo.stdout.readline().strip())
    assert "Slurm is up" in up and config.exists()
    controller = int((config.parent / "run" / "slurmctld.pid").read_text())
    demo.terminate()
    said, _ = demo.communicate(timeout=300)
    assert demo.returncode == 143 and said == "Slurm ends\n"
    assert not config.parent.exists()
    # over, or at least waiting to be counted
    state = Path(f"/proc/{controller}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"
