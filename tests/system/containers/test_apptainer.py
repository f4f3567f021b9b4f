"""hpcsim in a real Apptainer image: a sweep of NEST networks, signals, and MPI worlds whose launcher is outside."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

import hpcsim
from hpcsim.collector.format.table import Table
from hpcsim.scheduler.gather import gather
from hpcsim.scheduler.plan import plan
from hpcsim.scheduler.prepare import prepare
from hpcsim.scheduler.site.container import check_image, inside
from hpcsim.scheduler.site.launcher import mpiexec

pytestmark = pytest.mark.containers

WORLD = Path(__file__).with_name("world.py")
#: Spikes of ten neurons in 200 ms, whatever the number of ranks.
SPIKES = 60
SWEEP = """
[study]
name = "s"
model = "nest.hagen_lif"
[space]
J_ext = [29, 31]
[fixed]
scale = 0.2
tstop = "300 ms"
transient = "100 ms"
[outputs]
keep = ["rate"]
"""


def run(words, **more) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300, **more)


def rates(directory: Path) -> np.ndarray:
    """Of all points, in the order of their ids."""
    with Table(directory / "results.h5") as table:
        return table.array("rate")[np.argsort(table.array("id"))]


def test_a_sweep_inside_gives_the_values_of_one_outside(container, tmp_path, command):
    check_image(container)
    (tmp_path / "s.toml").write_text(SWEEP)
    done = run([*inside(container, [tmp_path], tmp_path), "hpcsim", "run", "s.toml", "--dir", "inside", "--workers", 2])
    assert done.returncode == 0 and "2 points (2 ok)" in done.stdout, done.stdout + done.stderr
    outside = command("run", "s.toml", "--dir", "outside", "--workers", 2)
    assert outside.returncode == 0, outside.stderr
    found = rates(tmp_path / "inside")
    assert (found > 0).all()
    np.testing.assert_array_equal(found, rates(tmp_path / "outside"))


def test_a_task_inside_writes_what_it_has_when_it_is_asked_to_stop(container, tmp_path):
    text = '[study]\nname = "s"\nmodel = "toys:single"\n[space]\nx = { linspace = [0, 59, 60] }\n[fixed]\nseconds = 0.5\n'
    (tmp_path / "s.toml").write_text(text)
    study = hpcsim.Study.load("s.toml")
    directory = study.directory()
    prepare(study, directory)
    line = [*inside(container, [directory.path.resolve()], tmp_path), "hpcsim", "task", directory.path, "0", "--size", "60"]
    task = subprocess.Popen([str(word) for word in line], stderr=subprocess.PIPE, text=True)
    started = directory.logs / "000000000-000000060.log"
    deadline = time.monotonic() + 300
    while not started.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(5)
    task.send_signal(signal.SIGTERM)
    _, said = task.communicate(timeout=300)
    assert task.returncode == 130 and "task stopped after" in said, said
    gather(study, directory)
    with Table(directory.results) as table:
        finished = sorted(table.array("x"))
    assert 1 <= len(finished) < 60 and finished == list(range(len(finished)))
    assert plan(study, directory).left == 60 - len(finished)


def test_names_and_values_arrive_as_they_are(container, tmp_path):
    place = tmp_path / 'a,b:c "q" d\'$(touch oops)'
    place.mkdir()
    values = {"ODD": "a,b=1 \"$HOME\" `id` 'x'\n2"}
    odd = container.model_copy(update={"environment": values})
    done = run([*inside(odd, [], place), "sh", "-c", 'printf %s "$ODD"; pwd >where'])
    assert done.returncode == 0, done.stderr
    assert done.stdout == values["ODD"] and (place / "where").read_text() == f"{place}\n"
    assert not list(tmp_path.rglob("oops"))


@pytest.mark.parametrize("more", [[], ["--userns"]], ids=["as root", "in a user namespace"])
def test_mpiexec_outside_makes_one_world_of_ranks_inside(container, image, tmp_path, more):
    words = inside(container, [WORLD.parent], tmp_path)
    done = run([mpiexec(), "-n", 2, *words[:2], *more, *words[2:], "python", WORLD])
    assert done.returncode == 0, done.stderr
    assert f"world 2 2 {SPIKES}  {image}\n" in done.stdout
    assert "process_vm_readv" not in done.stderr


def test_srun_makes_one_world_of_ranks_inside_on_two_nodes(slurm, container, image, tmp_path):
    words = inside(container, [WORLD.parent], tmp_path)
    done = run(["srun", "--mpi=pmi2", "--nodes=2", "--ntasks=2", *words, "python", WORLD])
    assert done.returncode == 0, done.stderr
    assert f"world 2 2 {SPIKES} n1,n2 {image}\n" in done.stdout


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_site_with_an_image_runs_a_study_on_slurm(slurm, image, tmp_path, command, ranks):
    (tmp_path / "here.toml").write_text(f'[container]\nimage = "{image}"\n[launcher]\nuse = "srun"\nmpi = "pmi2"\n')
    (tmp_path / "s.toml").write_text(f"{SWEEP}[resources]\nranks = {ranks}\nthreads = {ranks}\n")
    done = command("run", "s.toml", "--on", "slurm", "--site", "here.toml", timeout=300)
    assert done.returncode == 0 and "2 points (2 ok)" in done.stdout, done.stdout + done.stderr
    [script, *_] = sorted((tmp_path / "runs" / "s" / "jobs").rglob("array-0.job"))
    assert f"{image} env " in script.read_text()
    assert (rates(tmp_path / "runs" / "s") > 0).all()
