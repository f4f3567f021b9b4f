"""The network with the pyramidal neuron of Hay et al. as the neuron of E: it fires, is replayed, and kernels predict it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prediction import all_counts, predicted, r2

import hpcsim
from hpcsim.collector.format.table import Table
from hpcsim.models.model import Context
from hpcsim.models.neuron.hagen import cells, membranes
from hpcsim.models.neuron.hagen.ball_and_sticks import SUFFIXES
from hpcsim.models.neuron.hagen.ball_and_sticks_network import ball_and_sticks_network
from hpcsim.models.neuron.hagen.ground_truth import GroundTruth
from hpcsim.models.neuron.hagen.hybrid import hybrid
from hpcsim.models.neuron.hagen.neurons import parallel_session
from hpcsim.models.neuron.hagen.recorder import Recorder
from hpcsim.models.neuron.hagen.replay import Replay
from hpcsim.models.neuron.kernels.kernel import kernel
from hpcsim.models.neuron.nmodl.mechanisms import neuron_interpreter
from hpcsim.scheduler.sweep import sweep
from hpcsim.scheduler.target import Target
from hpcsim.space.points import Point

#: Everybody is connected to everybody else.
NETWORK: dict[str, Any] = {
    "cell_E": "hay2011_synthetic", "n_ext_E": 920, "N_E": 16, "N_I": 4, **{f"C_{suffix}": 1.0 for suffix in SUFFIXES},
    "tstop": 240.0, "transient": 100.0, "n_recorded": 8,
}  # fmt: skip


@pytest.fixture(scope="module")
def network(neuron_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    """16 and 4 neurons."""
    folder = tmp_path_factory.mktemp("runs")
    study = hpcsim.Study("net", ball_and_sticks_network, fixed=NETWORK, seed=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HPCSIM_CACHE", str(neuron_cache))
        sweep(study, study.directory(folder / "net"), Target("inline"))
    with Table(folder / "net" / "results.h5") as table:
        yield table


def with_network(model: hpcsim.Model, network: Table, cache: Path, **changes: Any) -> dict[str, Any]:
    """Outputs of a model that goes back to the network."""
    known = {name: value for name, value in NETWORK.items() if model.parameter(name)}
    values = {**model.defaults(), **known, "network": "study:net", **changes}
    assert model.check(values) == ""
    return dict(model.simulate(Point(values, "0" * 32, 0, 99), Context(cache=cache, inputs={"net": network})))


@pytest.fixture(scope="module")
def replay(network: Table, neuron_cache: Path) -> dict[str, Any]:
    return with_network(hybrid, network, neuron_cache)


def test_it_fires(network: Table):
    """Both populations; somata rest near those of ball-and-sticks neurons, or above."""
    assert list(network.array("status")) == [0]
    assert (network.array("rate")[0] > 0).all()
    assert network.array("segment_potential_E").shape == (1, 679, 140) and network.array("segment_potential_I").shape[1] == 11
    assert ((network.array("V_rest")[0] > -72) & (network.array("V_rest")[0] < -55)).all()
    depth = network.coordinate("segment_E").values
    assert depth.min() < -150 and depth.max() > 1100
    for name in ("population_lfp", "population_csd", "population_dipole"):
        assert np.isfinite(network.array(name)).all() and (network.array(name).std(axis=-1) > 0).any()
    assert not list(neuron_interpreter().allsec())


def test_kernels_predict_the_replay(network: Table, replay: dict[str, Any], neuron_cache: Path):
    """Both are linear: what is left is where few neurons lie, that they have no synapses from themselves, and that few inhibitory
    synapses open thin dendrites locally.

    Dipole: R2 0.983, ratio of standard deviations 1.24; without mean conductances 0.986, 1.11. LFP: median R2 0.99.
    """
    counts = all_counts(network, NETWORK["tstop"])
    for g_eff, most in ((True, 1.35), (False, 1.2)):
        given = with_network(hybrid, network, neuron_cache, g_eff=False) if not g_eff else replay
        made = with_network(kernel, network, neuron_cache, g_eff=g_eff, t_X=100.0)
        dipole, lfp = given["population_dipole"].sum(axis=0), given["population_lfp"].sum(axis=0)
        guess = predicted(made["dipole_kernel"], counts)
        assert r2(guess, dipole) > 0.97 and 0.9 < guess.std() / dipole.std() < most
        assert np.median([r2(predicted(made["lfp_kernel"][:, i], counts), lfp[i]) for i in range(13)]) > 0.97


def test_single_spikes_give_the_kernels(neuron_cache: Path):
    """With somata at one depth and no mean conductances nothing is left but the sample of lateral positions.

    The dipole to 3 %; the LFP, at each contact, to 12 %. Somata that spread in depth would differ: the kernel's currents do not
    depend on how deep the soma lies, though the layers of synapses do not move with it.
    """
    n, at = {"E": 120, "I": 30}, {"E": 5.0, "I": 35.0}
    values: dict[str, Any] = {
        **hybrid.defaults(), **NETWORK, "N_E": n["E"], "N_I": n["I"], "depth_std": 2.0, "membrane": "frozen", "g_eff": False,
        "weight_EE": 1.5e-5, "weight_EI": 4.5e-4, "tstop": 70.0, "transient": 0.0, "n_recorded": 1,
    }  # fmt: skip
    spikes = {p: (np.full(n[p], at[p]), np.arange(n[p])) for p in n}
    rest = {p: np.full(len(cells.cell(values, p).segments), -68.0) for p in n}
    with parallel_session() as (h, parallel):
        membranes.load(neuron_cache)
        replay = Replay(h, parallel, values, GroundTruth(5, spikes, {"E": 1.0, "I": 1.0}, rest), neuron_cache)
        replay.connect()
        recorder = Recorder(h, replay, values)
        replay.run(recorder, lambda fraction: None)
        signals = recorder.signals["E"]
        del replay, recorder
    known = {name: value for name, value in values.items() if kernel.parameter(name)}
    known |= {"network": "", "V_rest_E": -68.0, "V_rest_I": -68.0, "t_X": 30.0, "lag_max": 30.0}
    made = kernel.simulate(Point({**kernel.defaults(), **known}, "0" * 32, 0, 1), Context(cache=neuron_cache))
    lags = 25 * 16
    for row, pre in enumerate("EI"):
        found = signals[:, round(at[pre] * 16) :][:, :lags]
        lfp, dipole = n[pre] * made["lfp_kernel"][row][:, 480:][:, :lags], n[pre] * made["dipole_kernel"][row][480:][:lags]
        assert r2(found[26], dipole) > 0.998 and found[26] @ dipole / (dipole @ dipole) == pytest.approx(1, abs=0.03)
        np.testing.assert_allclose((found[:13] * lfp).sum(axis=1) / (lfp**2).sum(axis=1), 1, atol=0.12)


@pytest.mark.parametrize("membrane", ["linear", "linear_Ih", "frozen"])
@pytest.mark.parametrize("V_rest_from", ["soma", "segments"])
def test_without_spikes_nothing_moves(network: Table, neuron_cache: Path, membrane: str, V_rest_from: str):
    """All states of all membranes are at rest, whether the neuron rests at one potential or each segment at its own."""
    late = {"t_E": 25.0, "t_I": 25.0, "tstop": 30.0, "transient": 0.0}
    found = with_network(hybrid, network, neuron_cache, replay="single", membrane=membrane, V_rest_from=V_rest_from, **late)
    before = found["population_dipole"][:, :380]
    after = np.abs(found["population_dipole"]).max(axis=1, keepdims=True)
    assert (after > 0).all() and (np.abs(before) < 1e-6 * after).all()


def test_gates_that_follow_change_the_replay(network: Table, replay: dict[str, Any], neuron_cache: Path):
    """Little where it is Ih (and persistent sodium), as for sticks."""
    frozen = with_network(hybrid, network, neuron_cache, membrane="frozen")
    dipole, other = (each["population_dipole"].sum(axis=0) for each in (replay, frozen))
    difference = np.abs(dipole - other).max() / np.abs(dipole).max()
    assert 1e-4 < difference < 0.3


def test_the_reconstruction_is_used(reconstruction: Path, neuron_cache: Path):
    """The neuron of the file, with its axon's stub, as the neuron of E."""
    values = {**ball_and_sticks_network.defaults(), **NETWORK, "cell_E": "hay2011", "tstop": 5.0, "transient": 0.0}
    assert ball_and_sticks_network.check(values) == ""
    found = ball_and_sticks_network.simulate(Point(values, "0" * 32, 0, 1), Context(cache=neuron_cache))
    depth = ball_and_sticks_network.layout(values).coordinates["segment_E"].values
    assert found["segment_potential_E"].shape == (len(depth), 5)
    # 10 to 290 um along y in the file
    assert 200 < depth.max() < 300
