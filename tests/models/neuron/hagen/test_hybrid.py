"""The hybrid scheme: what is replayed, what the neurons make of it, and against kernels and the network itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prediction import all_counts, predicted, r2
from scipy.integrate import quad

import hpcsim
from hpcsim.collector.format.table import Table
from hpcsim.errors import SimulationError, StudyError
from hpcsim.models.model import Context
from hpcsim.models.neuron.hagen import connections, membranes
from hpcsim.models.neuron.hagen.ball_and_sticks import PATHWAYS, SUFFIXES
from hpcsim.models.neuron.hagen.ground_truth import GroundTruth, ground_truth
from hpcsim.models.neuron.hagen.hybrid import hybrid
from hpcsim.models.neuron.hagen.network import Network
from hpcsim.models.neuron.hagen.neurons import parallel_session
from hpcsim.models.neuron.hagen.recorder import Recorder
from hpcsim.models.neuron.hagen.replay import Replay
from hpcsim.models.neuron.kernels.kernel import kernel
from hpcsim.models.neuron.nmodl import mechanisms
from hpcsim.scheduler.sweep import sweep
from hpcsim.scheduler.target import Target
from hpcsim.space.points import Point
from hpcsim.stages.signals.kernels import kernels
from hpcsim.testing import check_model

SIZE = {"N_E": 32, "N_I": 8, **{f"C_{suffix}": 1.0 for suffix in SUFFIXES}}
#: Everybody is connected to everybody else.
NETWORK = {**SIZE, "tstop": 300.0, "transient": 100.0, "n_recorded": 8}
SEGMENTS = {"E": 27, "I": 11}


def network_study(directory: Path, cache: Path, name: str = "net", keep: Any = (), seed: int = 1, **fixed: Any) -> Table:
    """Results of a network study of one point."""
    kept = {"keep": list(keep)}
    study = hpcsim.Study(name, "neuron.ball_and_sticks_network", fixed={**NETWORK, **fixed}, outputs=kept, seed=seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HPCSIM_CACHE", str(cache))
        sweep(study, study.directory(directory / name), Target("inline"))
    return Table(directory / name / "results.h5")


@pytest.fixture(scope="module")
def network(neuron_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    """32 and 8 neurons that fire."""
    with network_study(tmp_path_factory.mktemp("runs"), neuron_cache) as table:
        yield table


def point_with(**changes: Any) -> Point:
    values = {**hybrid.defaults(), **NETWORK, "network": "study:net", **changes}
    assert hybrid.check(values) == ""
    return Point(values, "0" * 32, 0, 99)


def simulate(network: Table, cache: Path, **changes: Any) -> dict[str, Any]:
    return dict(hybrid.simulate(point_with(**changes), Context(cache=cache, inputs={"net": network})))


@pytest.fixture(scope="module")
def outputs(network: Table, neuron_cache: Path) -> dict[str, Any]:
    """Of the published scheme with Ih that follows and mean conductances."""
    return simulate(network, neuron_cache)


def test_it_keeps_the_contract(network: Table, neuron_cache: Path):
    """Shapes, repetition, order and batches."""
    short = {"tstop": 60.0, "transient": 0.0, "replay": "single", "t_E": 10.0, "t_I": 30.0, "network": "study:net"}
    given = check_model(hybrid, {**NETWORK, **short}, points=2, inputs={"net": network}, cache=neuron_cache)
    assert np.abs(given["population_dipole"]).max() > 100


def test_what_is_replayed_is_what_the_network_had(network: Table, outputs: dict[str, Any]):
    """Counts, sizes, rates, potentials and seed."""
    for name in ("spike_counts", "population_size", "rate", "V_rest"):
        np.testing.assert_array_equal(outputs[name], network.array(name)[0])
    assert outputs["network_seed"] == network.array("seed")[0]
    assert outputs["spike_counts"].sum() > 20


def test_spikes_arrive_at_the_same_synapses_at_the_same_times(neuron_cache: Path):
    """Inhibitory currents are the network's conductances times the driving force in the resting segment, to rounding."""
    values = {**point_with().values, "tstop": 80.0, "transient": 0.0}
    rest = {population: -70.0 + np.linspace(0, 4, n) for population, n in SEGMENTS.items()}
    with parallel_session() as (h, parallel):
        membranes.load(neuron_cache)
        truth = Network(h, parallel, values, 5)
        truth.connect()
        seen = inhibitory(h, truth, "_ref_g")
        truth.run(Recorder(h, truth, values), lambda fraction: None)
        times, gids = truth.spikes()
        conductances = {place: vector.as_numpy().copy() for place, vector in seen.items()}
        del truth, seen
    assert len(times) > 10 and max(np.abs(each).max() for each in conductances.values()) > 1e-3
    spikes = {"E": (times[gids < 32], gids[gids < 32]), "I": (times[gids >= 32], gids[gids >= 32] - 32)}
    with parallel_session() as (h, parallel):
        replay = Replay(h, parallel, values, GroundTruth(5, spikes, {"E": 1.0, "I": 1.0}, rest), neuron_cache)
        replay.connect()
        seen = inhibitory(h, replay, "_ref_i")
        replay.run(Recorder(h, replay, values), lambda fraction: None)
        currents = {place: vector.as_numpy().copy() for place, vector in seen.items()}
        del replay, seen
    assert conductances.keys() == currents.keys()
    for (population, segment), conductance in conductances.items():
        force = rest[population][segment] + 80
        np.testing.assert_allclose(currents[population, segment], conductance * force, rtol=1e-9, atol=1e-15)


def inhibitory(h: Any, neurons: Any, what: str) -> dict[Any, Any]:
    """Records of the inhibitory synapses of two neurons, by place."""
    return {
        (population, segment): h.Vector().record(getattr(synapse, what))
        for population in "EI"
        for (receptor, segment), synapse in neurons.neurons[population][3].synapses.items()
        if receptor[2] == -80
    }


@pytest.mark.parametrize("V_rest_from", ["soma", "segments"])
def test_without_spikes_nothing_moves(network: Table, neuron_cache: Path, V_rest_from: str):
    """Rest is rest, also where it differs between segments: before the first spike there is no signal."""
    found = simulate(
        network, neuron_cache, V_rest_from=V_rest_from, replay="single", tstop=80.0, transient=0.0, t_E=40.0, t_I=60.0
    )
    silent = found["population_dipole"][:, : 40 * 16]
    assert np.abs(found["population_dipole"]).max() > 100
    assert np.abs(silent).max() < 1e-6
    assert np.ptp(found["soma_potential_E"][:, :40]) < 1e-9
    truth = ground_truth(point_with(V_rest_from=V_rest_from), Context(inputs={"net": network}), SEGMENTS)
    assert (np.ptp(truth.V_rest["E"]) > 0.1) == (V_rest_from == "segments")
    # the first segment is the soma, whose potential is close to the median over neurons
    assert truth.V_rest["E"][0] == pytest.approx(network.array("V_rest")[0, 0], abs=3)


@pytest.mark.parametrize("membrane", ["linear", "frozen"])
def test_responses_add_up(network: Table, neuron_cache: Path, membrane: str):
    """Spikes of both populations make what those of each make alone, whatever the membrane."""
    point = point_with(membrane=membrane, tstop=60.0, transient=0.0, replay="single", t_E=5.0, t_I=20.0)
    truth = ground_truth(point, Context(inputs={"net": network}), SEGMENTS)
    silent = (np.zeros(0), np.zeros(0, int))
    alone = [replace(truth, spikes={**truth.spikes, other: silent}) for other in "IE"]
    signals = [replayed(point.values, each, neuron_cache) for each in (truth, *alone)]
    scale = np.abs(signals[0]).max(axis=1, keepdims=True)
    assert (np.abs(signals[1]).max(axis=1) > 0).all() and (np.abs(signals[2]).max(axis=1) > 0).all()
    np.testing.assert_allclose(signals[0] / scale, (signals[1] + signals[2]) / scale, rtol=0, atol=1e-9)


def replayed(values: Any, truth: GroundTruth, cache: Path, **more: Any) -> np.ndarray:
    """Stacked signals of E."""
    with parallel_session() as (h, parallel):
        membranes.load(cache)
        replay = Replay(h, parallel, values, truth, cache, **more)
        replay.connect()
        recorder = Recorder(h, replay, values)
        replay.run(recorder, lambda fraction: None)
        del replay
    return np.asarray(recorder.signals["E"])


def test_merged_synapses_are_exact(network: Table, neuron_cache: Path):
    """One current for all contacts of a segment is what many are, to rounding."""
    point = point_with(tstop=40.0, transient=0.0, replay="single", t_E=5.0, t_I=20.0)
    truth = ground_truth(point, Context(inputs={"net": network}), SEGMENTS)
    one, many = (replayed(point.values, truth, neuron_cache, merged=merged) for merged in (True, False))
    scale = np.abs(one).max(axis=1, keepdims=True)
    np.testing.assert_allclose(one / scale, many / scale, rtol=0, atol=1e-9)


def test_mean_conductances_are_those_of_all_synapses(neuron_cache: Path):
    """Weight times rate times the integral of the time course of each synapse, over the area of its segment."""
    values, rate = point_with().values, {"E": 2.0, "I": 7.0}
    potentials = {population: np.full(n, -70.0) for population, n in SEGMENTS.items()}
    truth = GroundTruth(3, dict.fromkeys("EI", (np.zeros(0), np.zeros(0, int))), rate, potentials)
    leaks = []
    for g_eff in (True, False):
        with parallel_session() as (h, parallel):
            membranes.load(neuron_cache)
            replay = Replay(h, parallel, {**values, "g_eff": g_eff}, truth, neuron_cache)
            replay.connect()
            neuron, own = replay.neurons["E"][5], replay.segments["E"]
            areas = np.array([point.area() for point in neuron.points])
            leaks.append(np.array([point.g_pas for point in neuron.points]))
            depth = float(neuron.position[2])
            del replay, neuron
    expected = connections.drive(values, 3, "E", 5, own).synapses * 0.0002 * 40.0 * integral(0.2, 1.8)
    for pre, times in (("E", (0.2, 1.8)), ("I", (0.1, 9.0))):
        drawn = connections.synapses(values, 3, f"E:{pre}", 5, depth, own)
        for segment, weight in zip(drawn.segment, drawn.weight, strict=True):
            expected[segment] += weight * rate[pre] * integral(*times)
    # uS ms/s in S: 1e-9; um2 in cm2: 1e-8
    np.testing.assert_allclose(leaks[0] - leaks[1], 1e-9 * expected / (1e-8 * areas), rtol=1e-9)
    assert (leaks[0] > 1.05 * leaks[1]).any()


def integral(rise: float, decay: float) -> float:
    """Of a double exponential with peak 1, ms."""
    t = np.linspace(0, 5, 500_001)
    peak = (np.exp(-t / decay) - np.exp(-t / rise)).max()
    return float(quad(lambda t: np.exp(-t / decay) - np.exp(-t / rise), 0, 400, limit=500, epsabs=1e-13)[0] / peak)


def kernels_of(network: Table, cache: Path, **changes: Any) -> dict[str, np.ndarray]:
    """By LFPykernels, for the network's rates and resting potentials."""
    values = {**kernel.defaults(), **SIZE, **changes}
    for row, population in enumerate("EI"):
        values |= {f"nu_{population}": network.array("rate")[0, row], f"V_rest_{population}": network.array("V_rest")[0, row]}
    return dict(kernel.simulate(Point(values, "0" * 32, 0, 0), Context(cache=cache)))


def test_kernels_predict_the_replay(network: Table, neuron_cache: Path, outputs: dict[str, Any]):
    """R2 of the dipole of at least 0.98, and of the median LFP of at least 0.95 (0.992 and 0.969 in the reference's own run)."""
    found = kernels_of(network, neuron_cache)
    counts = all_counts(network, NETWORK["tstop"])
    dipole, lfp = outputs["population_dipole"].sum(axis=0), outputs["population_lfp"].sum(axis=0)
    guess = predicted(found["dipole_kernel"], counts)
    assert r2(guess, dipole) >= 0.98 and 0.93 <= guess.std() / dipole.std() <= 1.07
    assert np.median([r2(predicted(found["lfp_kernel"][:, i], counts), lfp[i]) for i in range(13)]) >= 0.95


def test_single_spikes_give_the_kernels(network: Table, neuron_cache: Path, outputs: dict[str, Any]):
    """Cut by the stage, they predict the replay as well, and are those of LFPykernels apart from the positions of few neurons."""
    changes = {"replay": "single", "tstop": 600.0, "transient": 100.0}
    given = simulate(network, neuron_cache, **changes)
    context = Context(layout=hybrid.layout(point_with(**changes).values))
    data = {name: np.asarray(value)[None] for name, value in given.items()}
    cut = kernels.apply(data, {"of": "spike_counts", "lag_max": 100.0}, context)
    dipole = outputs["population_dipole"].sum(axis=0)
    guess = predicted(cut["dipole_kernel"][0], all_counts(network, NETWORK["tstop"]))
    assert r2(guess, dipole) >= 0.98 and 0.93 <= guess.std() / dipole.std() <= 1.07
    found = kernels_of(network, neuron_cache)
    for name in ("dipole_kernel", "lfp_kernel", "csd_kernel"):
        assert cut[name].shape[1:] == found[name].shape
    for pathway, one, other in zip(PATHWAYS, cut["dipole_kernel"][0], found["dipole_kernel"], strict=True):
        # the sticks of I are equally long, so that its moments nearly cancel, and follow the depths of its eight neurons
        alike, size = (0.995, 0.12) if pathway[0] == "E" else (0.93, 0.75)
        assert np.corrcoef(one, other)[0, 1] > alike
        assert np.abs(one).max() == pytest.approx(np.abs(other).max(), rel=size)


def test_mean_conductances_bring_the_replay_closer_to_the_network(network: Table, neuron_cache: Path, outputs: dict[str, Any]):
    """Without them signals are too large and too slow."""
    truth = network.array("population_dipole")[0].sum(axis=0)
    without = simulate(network, neuron_cache, g_eff=False)["population_dipole"].sum(axis=0)
    with_them = outputs["population_dipole"].sum(axis=0)
    assert r2(with_them, truth) > r2(without, truth) + 0.05
    assert without.std() > 1.4 * with_them.std()


@pytest.mark.slow
def test_the_replay_explains_the_network_as_published(neuron_cache: Path, tmp_path: Path):
    """1000 ms of 32 and 8 neurons: R2 of the dipole of about 0.78, ratio of standard deviations about 0.98 with mean
    conductances (one network of the reference's code); without them 0.58 and 1.84.

    The mean over three networks: single ones have ratios from 0.80 to 1.01, and from 1.52 to 2.06 without mean conductances.
    """
    long, found = {"tstop": 1000.0, "transient": 200.0}, []
    for seed in (1, 2, 3):
        with network_study(tmp_path / str(seed), neuron_cache, seed=seed, **long) as table:
            truth = table.array("population_dipole")[0].sum(axis=0)
            for g_eff in (True, False):
                dipole = simulate(table, neuron_cache, g_eff=g_eff, **long)["population_dipole"].sum(axis=0)
                found.append((r2(dipole, truth), dipole.std() / truth.std()))
    (with_r2, with_ratio), (without_r2, without_ratio) = np.reshape(found, (3, 2, 2)).mean(axis=0)
    assert 0.65 <= with_r2 <= 0.9 and 0.85 <= with_ratio <= 1.15
    assert without_r2 < with_r2 - 0.1 and without_ratio > 1.5


def test_another_network_is_refused(network: Table, neuron_cache: Path):
    """One that differs in a weight, in the time step, in the simulated time."""
    for change, message in (
        ({"weight_EI": 0.005}, "no point of the study net was made with these.*: weight_EI is 0.005 here and 0.0045 there"),
        ({"dt": 2.0**-5}, r"dt is 0.03125 here and 0.0625 there"),
        ({"tstop": 400.0}, r"tstop is 400.0 here and 300.0 there"),
        ({"cell_E": "hay2011_synthetic"}, r"cell_E is 'hay2011_synthetic' here and ball_and_sticks there"),
    ):
        with pytest.raises(SimulationError, match=message):
            simulate(network, neuron_cache, **change)


def test_what_is_only_recorded_may_differ(network: Table, neuron_cache: Path):
    """Contacts, for example; and times, where spikes are not the network's."""
    point = point_with(contacts=(0.0,), n_recorded=1, replay="single", tstop=600.0, transient=0.0)
    assert ground_truth(point, Context(inputs={"net": network}), SEGMENTS).seed == network.array("seed")[0]


def test_a_study_that_keeps_too_little_is_refused(neuron_cache: Path, tmp_path: Path):
    """With what it should keep."""
    keep = ["V_rest", "rate", "spike_counts", "spike_times_E", "spike_senders_E"]
    with network_study(tmp_path, neuron_cache, keep=keep, tstop=110.0) as table:
        with pytest.raises(SimulationError, match=r"the study net does not keep spike_times_I, spike_senders_I; add them"):
            simulate(table, neuron_cache, tstop=110.0)
        with pytest.raises(SimulationError, match="segment_potential_E, segment_potential_I"):
            simulate(table, neuron_cache, tstop=300.0, replay="single", V_rest_from="segments", t_E=120.0, t_I=200.0)


def test_a_study_of_another_model_is_refused(neuron_cache: Path, tmp_path: Path):
    """Its spikes would be those of other neurons."""
    study = hpcsim.Study("net", "toys:single")
    sweep(study, study.directory(tmp_path / "net"), Target("inline"))
    refused = pytest.raises(SimulationError, match=r"net is of the model toys\.single")
    with Table(tmp_path / "net" / "results.h5") as table, refused:
        simulate(table, neuron_cache)


def test_a_study_that_is_not_there_is_refused(neuron_cache: Path):
    """By the sweep before anything runs, and by the model."""
    study = hpcsim.Study("replay", "neuron.hybrid", fixed={**NETWORK, "network": "study:nowhere"})
    with pytest.raises(StudyError, match="nowhere"):
        sweep(study, study.directory(), Target("inline"))
    with pytest.raises(SimulationError, match='no results of the study "net"'):
        hybrid.simulate(point_with(), Context(cache=neuron_cache))


def test_a_study_without_a_finished_point_is_refused(neuron_cache: Path, tmp_path: Path):
    """A point that failed is no parent."""
    # synapses from I lie nowhere on the neuron
    broken = {"position_mean_EI": (1e6,), "tstop": 110.0}
    with network_study(tmp_path, neuron_cache, **broken) as table:
        assert not table.good.any()
        with pytest.raises(SimulationError, match="the study net has no point that succeeded"):
            simulate(table, neuron_cache, **broken)


def test_sections_of_somebody_else_are_refused(network: Table, neuron_cache: Path):
    """NEURON would simulate them too."""
    stray = mechanisms.neuron_interpreter().Section(name="stray")
    with pytest.raises(SimulationError, match="stray"):
        simulate(network, neuron_cache)
    del stray


def test_more_ranks_than_neurons_are_refused():
    """Before anything runs."""
    with pytest.raises(StudyError, match=r"resources.ranks: there are 41 MPI ranks and 40 neurons"):
        hpcsim.Study("replay", "neuron.hybrid", fixed=NETWORK, resources={"ranks": 41})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"V_rest_E": -70.0}, 'V_rest_E is -70 mV, and V_rest_from is "soma"; set V_rest_from = "given"'),
        ({"replay": "single", "t_I": 300.0}, r"t_I \(300 ms\) must be .* before tstop"),
        ({"replay": "single", "t_E": 50.0}, r"t_E \(50 ms\) must be .* not before transient"),
        ({"replay": "single", "t_E": 150.03}, r"t_E .* multiple of dt"),
        ({"scale": 0.5}, "use a scale of at least 1"),
    ],
)
def test_values_that_make_no_sense_together(change: dict[str, Any], message: str):
    """Each gets a sentence."""
    good = {**hybrid.defaults(), **NETWORK, "t_I": 250.0}
    assert hybrid.check(good) == ""
    assert re.search(message, hybrid.check({**good, **change}))


def test_potentials_may_be_given(network: Table):
    """And are then those of every segment."""
    point = point_with(V_rest_from="given", V_rest_E=-72.0)
    truth = ground_truth(point, Context(inputs={"net": network}), SEGMENTS)
    assert set(truth.V_rest["E"]) == {-72.0} and set(truth.V_rest["I"]) == {-65.0}
