"""Points on several MPI ranks as Slurm jobs: started by srun, and by mpiexec in the allocation; also with a wrong launcher."""

from __future__ import annotations

import re

import numpy as np
import pytest

import hpcsim
from hpcsim.collector.format.table import Table
from hpcsim.errors import SlurmError
from hpcsim.scheduler.site.launcher import mpiexec
from hpcsim.scheduler.slurm.submission import submissions
from hpcsim.scheduler.sweep import sweep
from hpcsim.scheduler.target import Target

pytestmark = pytest.mark.slurm

SITES = {
    "srun": '[launcher]\nuse = "srun"\nmpi = "pmi2"\n',
    "mpiexec": f'[launcher]\nuse = "mpiexec"\npath = "{mpiexec()}"\n',
    # as many worlds as ranks: what MPICH's library gets from an srun that starts no MPI
    "wrong": '[launcher]\nuse = "srun"\nmpi = "none"\n',
}


@pytest.fixture
def sites(tmp_path):
    for name, text in SITES.items():
        (tmp_path / f"{name}.toml").write_text(f'partition = "debug"\n{text}')


def make(ranks, **fixed):
    study = hpcsim.Study(
        "ranked", "toys:ranked", space={"x": {"linspace": [0, 5, 6]}}, fixed=fixed, resources={"ranks": ranks, "task_size": 3}
    )
    return study, study.directory()


@pytest.mark.parametrize(("launcher", "ranks"), [("srun", 2), ("srun", 4), ("mpiexec", 2), ("mpiexec", 4)])
def test_ranks_of_a_job_are_one_world(slurm, sites, launcher, ranks):
    # a node has two cores: four ranks are on two nodes
    study, directory = make(ranks)
    sweep(study, directory, Target("slurm", site=f"{launcher}.toml"))
    with Table(directory.results) as table:
        np.testing.assert_array_equal(np.sort(table.array("total")), 12 * np.arange(6.0) + 66)
        assert set(table.array("ranks")) == {ranks}
    [item] = submissions(directory)
    assert f"#SBATCH --ntasks={ranks}\n" in (item.folder / "array-0.job").read_text()


def test_a_rank_that_crashes_fails_its_point_alone(slurm, sites):
    study, directory = make(2, guilty=3, how="crash")
    sweep(study, directory, Target("slurm", site="srun.toml"))
    with Table(directory.results) as table:
        order = np.argsort(table.array("x"))
        assert list(table.array("status")[order]) == [0, 0, 0, 2, 0, 0]
        # srun's code is that of the rank that died first, or of one that was ended because of it; then its words have the first
        assert re.search("SIGSEGV|Segmentation fault", table.array("error")[order[3]])


def test_a_wrong_launcher_is_said_and_nothing_is_simulated(slurm, sites, command):
    study, directory = make(2)
    with pytest.raises(SlurmError, match="6 points are not finished"):
        sweep(study, directory, Target("slurm", site="wrong.toml"))
    assert "2 MPI ranks were asked for and mpi4py sees 1" in "".join(path.read_text() for path in directory.logs.iterdir())
    assert not list(directory.shards.iterdir())


def test_doctor_starts_two_ranks(slurm, sites, command):
    done = command("doctor", "--site", "srun.toml")
    assert done.returncode == 0 and "2 ranks are one world, with srun --mpi=pmi2" in done.stdout, done.stdout
    failed = command("doctor", "--site", "wrong.toml")
    assert failed.returncode == 1 and "srun --mpi=none started 2 ranks, and each sees 1" in failed.stdout, failed.stdout
