"""The LIF network on several MPI ranks, with a NEST that was built with MPI (scripts/build-nest-mpi.sh --install)."""

from __future__ import annotations

import numpy as np
import pytest
from absent import absent

import hpcsim
from hpcsim.collector.format.table import Table
from hpcsim.errors import StudyError
from hpcsim.scheduler.site.launcher import Launch
from hpcsim.scheduler.sweep import sweep
from hpcsim.scheduler.task.supervisor import Task

SMALL = {"scale": 0.2, "tstop": "150 ms", "transient": "50 ms"}


def network(ranks: int, threads: int):
    resources = {"ranks": ranks, "threads": threads}
    return hpcsim.Study("net", "nest.hagen_lif", space={"J_ext": [29.0, 31.0]}, fixed=SMALL, resources=resources, seed=3)


def with_mpi() -> bool:
    import nest

    return bool(nest.build_info["have_mpi"])


def read(directory):
    with Table(directory.results) as table:
        assert table.good.all(), table.array("error")
        order = np.argsort(table.array("J_ext"))
        names = ("spike_times_E", "spike_senders_E", "spike_times_I", "spike_senders_I")
        return [table.ragged(name, int(row)) for row in order for name in names] + [table.array("rate")[order]]


@pytest.mark.mpi
def test_spikes_do_not_depend_on_the_number_of_ranks(tmp_path):
    if not with_mpi():
        absent("NEST with MPI: scripts/build-nest-mpi.sh --install")
    found = {}
    for ranks in (1, 2, 4):
        study = network(ranks, 4)
        directory = study.directory(tmp_path / str(ranks))
        sweep(study, directory)
        found[ranks] = read(directory)
    assert len(found[1][0]) > 100
    for ranks in (2, 4):
        for one, other in zip(found[1], found[ranks], strict=True):
            np.testing.assert_array_equal(one, other)


def test_threads_are_spread_over_ranks():
    with pytest.raises(StudyError, match=r"resources.ranks: found 2 ranks and 3 threads.*multiple of ranks, such as 2"):
        network(2, 3)


def test_a_nest_without_mpi_is_found_before_the_first_point(tmp_path, capsys):
    if with_mpi():
        absent("NEST without MPI: the wheel, as the README installs it")
    study = network(2, 2)
    directory = study.directory(tmp_path / "run")
    directory.open(study.to_toml(), study.recipe, study.name)
    # NEST sees the launcher and ends the process by itself
    assert Task(directory, 0, 2, launch=Launch(2)).run() > 0
    words = capsys.readouterr().err
    assert "not compiled with MPI support" in words and "scripts/build-nest-mpi.sh --install" in words
    assert not list(directory.shards.iterdir())
