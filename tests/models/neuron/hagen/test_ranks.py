"""Networks and replays on several MPI ranks, with a real mpiexec: the same values as on one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hpcsim
from hpcsim.collector.format.table import Table
from hpcsim.models.neuron.hagen.ball_and_sticks import SUFFIXES
from hpcsim.scheduler.sweep import sweep

RANKS = (1, 2, 4)
NETWORK = {
    "N_E": 16,
    "N_I": 4,
    **{f"C_{suffix}": 1.0 for suffix in SUFFIXES},
    "tstop": 60.0,
    "transient": 10.0,
    "n_recorded": 3,
}
#: The same with the pyramidal neuron, smaller.
PYRAMIDS = {**NETWORK, "N_E": 6, "N_I": 3, "tstop": 40.0, "cell_E": "hay2011_synthetic", "n_ext_E": 1800}
#: Sums over neurons, whose order depends on who owns them.
SUMS = ("population_lfp", "population_csd", "population_dipole", "segment_potential_E", "segment_potential_I")


@pytest.fixture(scope="module")
def runs(neuron_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network, and its spikes replayed, each on one, two and four ranks."""
    folder = tmp_path_factory.mktemp("runs")
    here = folder / "here"
    here.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HPCSIM_CACHE", str(neuron_cache))
        # a study finds others beside the folder in which it is made
        patch.chdir(here)
        for ranks in RANKS:
            simulate(folder, f"net{ranks}", "neuron.ball_and_sticks_network", NETWORK, ranks)
            simulate(folder, f"pyramids{ranks}", "neuron.ball_and_sticks_network", PYRAMIDS, ranks)
        for ranks in RANKS:
            simulate(folder, f"replay{ranks}", "neuron.hybrid", {**NETWORK, "network": "study:net1"}, ranks)
    return folder


def simulate(folder: Path, name: str, model: str, fixed: dict[str, Any], ranks: int) -> None:
    study = hpcsim.Study(name, model, fixed=fixed, resources={"ranks": ranks}, seed=1)
    sweep(study, study.directory(folder / name))


def table_of(runs: Path, name: str) -> Table:
    return Table(runs / name / "results.h5")


@pytest.mark.parametrize("ranks", RANKS[1:])
@pytest.mark.parametrize("study", ["net", "pyramids", "replay"])
def test_values_do_not_depend_on_the_number_of_ranks(runs: Path, study: str, ranks: int):
    """Spikes, counts and potentials are equal; signals to 1e-12 of their largest value."""
    with table_of(runs, f"{study}1") as one, table_of(runs, f"{study}{ranks}") as other:
        assert list(one.array("status")) == list(other.array("status")) == [0]
        assert one.names("output") == other.names("output")
        assert one.array("spike_counts").sum() > 5
        for name in one.names("output"):
            expected, found = one.array(name), other.array(name)
            if name in SUMS:
                scale = np.abs(expected).max()
                assert scale > 0
                np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * scale)
            else:
                np.testing.assert_array_equal(found, expected)
