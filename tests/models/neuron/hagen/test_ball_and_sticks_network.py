"""The network in NEURON: its contract, what it computes, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpcsim.errors import Interrupted, SimulationError
from hpcsim.models.model import Context
from hpcsim.models.neuron.hagen import connections
from hpcsim.models.neuron.hagen.ball_and_sticks import SUFFIXES
from hpcsim.models.neuron.hagen.ball_and_sticks_network import ball_and_sticks_network
from hpcsim.models.neuron.hagen.membranes import MECHANISMS
from hpcsim.models.neuron.hagen.network import Network
from hpcsim.models.neuron.hagen.neurons import parallel_session
from hpcsim.models.neuron.hagen.recorder import Recorder
from hpcsim.models.neuron.kernels.kernel import kernel
from hpcsim.models.neuron.nmodl import mechanisms
from hpcsim.models.neuron.signals import probes
from hpcsim.space.points import Point
from hpcsim.testing import check_model

#: Everybody is connected to everybody else, and fires.
TINY = {
    "N_E": 16,
    "N_I": 4,
    "tstop": 60.0,
    "transient": 10.0,
    "n_recorded": 3,
    **{f"C_{suffix}": 1.0 for suffix in SUFFIXES},
}


def values_with(**changes: Any) -> dict[str, Any]:
    values = {**ball_and_sticks_network.defaults(), **TINY, **changes}
    assert ball_and_sticks_network.check(values) == ""
    return values


def simulate(cache: Path, seed: int = 1, **changes: Any) -> dict[str, np.ndarray]:
    point = Point(values_with(**changes), "0" * 32, 0, seed)
    return dict(ball_and_sticks_network.simulate(point, Context(cache=cache)))


@pytest.fixture(scope="module")
def outputs(neuron_cache: Path) -> dict[str, np.ndarray]:
    """Of a tiny network."""
    return simulate(neuron_cache)


def test_it_keeps_the_contract(neuron_cache: Path):
    """Shapes, repetition, order and batches."""
    given = check_model(ball_and_sticks_network, TINY, points=2, cache=neuron_cache)
    assert (given["rate"] > 0).any()
    assert not np.array_equal(given["population_dipole"][0], given["population_dipole"][1])


def test_outputs_agree_with_each_other(outputs: dict[str, np.ndarray]):
    """Counts with times, rates with counts, potentials with their median."""
    for row, population in enumerate("EI"):
        times, senders = outputs[f"spike_times_{population}"], outputs[f"spike_senders_{population}"]
        assert (np.diff(times) >= 0).all() and not (times % 2**-4).any()
        assert set(senders) <= set(range(TINY[f"N_{population}"]))
        after = times[(times >= 10) & (times < 60)]
        assert outputs["spike_counts"][row].sum() == len(after)
        np.testing.assert_array_equal(
            np.flatnonzero(outputs["spike_counts"][row]), np.unique(np.rint((after - 10) * 16).astype(int))
        )
        assert outputs["rate"][row] == pytest.approx(len(after) / TINY[f"N_{population}"] / 0.05)
        soma = outputs[f"soma_potential_{population}"]
        assert soma.shape == (3, 50)
        assert outputs["V_rest"][row] == np.median(soma)
        # the first segment is the soma
        np.testing.assert_allclose(outputs[f"segment_potential_{population}"][0], soma.mean(axis=0))
        # where they lie: upright, one after the other, as deep as their coordinate says
        ends = outputs[f"segment_position_{population}"]
        assert not ends[:, :, :2].any() and outputs[f"segment_diameter_{population}"].shape == (len(ends),)
        depth = ball_and_sticks_network.layout(TINY).coordinates[f"segment_{population}"].values
        np.testing.assert_allclose(ends[:, :, 2].mean(axis=1), depth)
    assert outputs["spike_counts"].sum() > 5


def test_currents_of_a_neuron_leave_no_net_source(neuron_cache: Path):
    """What flows in flows out: discs that hold all neurons hold as much source as sink."""
    csd = simulate(neuron_cache, contacts=tuple(range(-1000, 2100, 100)), tstop=20.0)["population_csd"]
    assert (np.abs(csd).max(axis=(1, 2)) > 0).all()
    assert np.abs(csd.sum(axis=1)).max() < 1e-9 * np.abs(csd).max()


@pytest.mark.parametrize("population", ["E", "I"])
def test_neuron_has_the_synapses_that_were_drawn(neuron_cache: Path, population: str):
    """From the right neurons, with the right weight, delay, receptor and place."""
    values, index = values_with(), 2
    with parallel_session() as (h, parallel):
        mechanisms.load(MECHANISMS, neuron_cache)
        network = Network(h, parallel, values, 3)
        network.connect()
        neuron, cell = network.neurons[population][index], network.segments[population]
        made, driven = [], 0.0
        for connection in neuron.kept:
            if "NetCon" not in str(connection) or connection.syn() is None:
                continue
            synapse = connection.syn()
            receptor = (synapse.tau1, synapse.tau2, synapse.e)
            if connection.pre() is not None and "NetStim" in str(connection.pre()):
                assert receptor == (0.2, 1.8, 0.0) and connection.weight[0] == 0.0002
                driven += 1000 / connection.pre().interval
                continue
            place = neuron.points.index(synapse.get_segment())
            made.append((int(connection.srcgid()), place, connection.weight[0], connection.delay, receptor))
        del network, connection, synapse
        depth = float(neuron.position[2])
        del neuron
    expected = []
    for pre, first, receptor in (("E", 0, (0.2, 1.8, 0.0)), ("I", 16, (0.1, 9.0, -80.0))):
        drawn = connections.synapses(values, 3, f"{population}:{pre}", index, depth, cell)
        rows = zip((drawn.pre + first).tolist(), drawn.segment.tolist(), drawn.weight.tolist(), drawn.delay.tolist(), strict=True)
        expected += [(*row, receptor) for row in rows]
    assert sorted(made) == sorted(expected) and len(made) > 40
    assert driven == pytest.approx(40 * values[f"n_ext_{population}"])


def test_merged_synapses_are_exact(neuron_cache: Path):
    """One synapse for all contacts of a segment is what many are, to rounding."""
    values, found = values_with(tstop=40.0, transient=0.0), []
    for merged in (True, False):
        with parallel_session() as (h, parallel):
            mechanisms.load(MECHANISMS, neuron_cache)
            network = Network(h, parallel, values, 3, merged=merged)
            network.connect()
            recorder = Recorder(h, network, values)
            network.run(recorder, lambda fraction: None)
            objects = sum("Exp2Syn" in str(kept) for neuron in network for kept in neuron.kept)
            found.append((network.spikes(), recorder.signals["E"], network.n_synapses, objects))
            del network, recorder
    (spikes, signals, n, few), (spikes_each, signals_each, n_each, many) = found
    assert len(spikes[0]) > 5 and n == n_each and few < many / 2
    np.testing.assert_array_equal(spikes[0], spikes_each[0])
    np.testing.assert_array_equal(spikes[1], spikes_each[1])
    scale = np.abs(signals).max(axis=1, keepdims=True)
    np.testing.assert_allclose(signals / scale, signals_each / scale, rtol=0, atol=1e-9)


@pytest.mark.parametrize("cell_E", ["ball_and_sticks", "hay2011_synthetic"])
def test_signals_are_those_of_lfpykit_on_recorded_currents(neuron_cache: Path, cell_E: str, monkeypatch: pytest.MonkeyPatch):
    """One neuron: the stacked product at the end of each step against LFPykit on currents that NEURON recorded."""
    from lfpykit import CellGeometry, CurrentDipoleMoment, RecExtElectrode

    # contacts that are points
    monkeypatch.setattr(probes, "CONTACT_RADIUS", 1e-9)
    values = values_with(N_E=1, N_I=1, tstop=20.0, transient=0.0, C_EE=0.0, cell_E=cell_E)
    with parallel_session() as (h, parallel):
        mechanisms.load(MECHANISMS, neuron_cache)
        network = Network(h, parallel, values, 3)
        network.connect()
        recorder = Recorder(h, network, values)
        neuron, cell = network.neurons["E"][0], network.segments["E"]
        currents = [h.Vector().record(point._ref_i_membrane_) for point in neuron.points]
        potential = h.Vector().record(neuron.points[0]._ref_v)
        network.run(recorder, lambda fraction: None)
        recorded = np.array([current.as_numpy() for current in currents])[:, :-1]
        v = potential.as_numpy()[:-1].copy()
        del network, currents, potential
        position = neuron.position
        del neuron
    x, y, z = (ends + place for ends, place in zip((cell.x, cell.y, cell.z), position, strict=True))
    geometry = CellGeometry(x=x, y=y, z=z, d=cell.diameter)
    z = np.array(values["contacts"])
    electrode = RecExtElectrode(geometry, sigma=0.3, x=0 * z, y=0 * z, z=z, method="linesource")
    # currents at time 0 are those of nobody yet
    recorded[:, 0] = 0
    lfp, moment = electrode.get_transformation_matrix() @ recorded, CurrentDipoleMoment(geometry).get_transformation_matrix()
    found = recorder.signals["E"]
    assert np.abs(recorded).max() > 1e-3
    np.testing.assert_allclose(found[:13], lfp, rtol=0, atol=1e-9 * np.abs(lfp).max())
    np.testing.assert_allclose(found[26], (moment @ recorded)[2], rtol=0, atol=1e-9 * np.abs(found[26]).max())
    np.testing.assert_allclose(recorder.soma_potentials["E"][0], v[::16])


def test_seeds_differ(neuron_cache: Path, outputs: dict[str, np.ndarray]):
    """And the same seed repeats, bit for bit, after another simulation in the process."""
    other, again = simulate(neuron_cache, seed=2), simulate(neuron_cache)
    assert not np.array_equal(other["population_dipole"], outputs["population_dipole"])
    for name, array in outputs.items():
        np.testing.assert_array_equal(again[name], array)


def test_transient_is_left_out_and_nothing_else(neuron_cache: Path, outputs: dict[str, np.ndarray]):
    """Samples are those of the same times in a longer record."""
    whole = simulate(neuron_cache, transient=0.0)
    np.testing.assert_array_equal(whole["spike_times_E"], outputs["spike_times_E"])
    np.testing.assert_array_equal(whole["spike_counts"][:, 160:], outputs["spike_counts"])
    np.testing.assert_allclose(whole["population_dipole"][:, 160:], outputs["population_dipole"], rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(whole["soma_potential_I"][:, 10:], outputs["soma_potential_I"])
    assert (whole["soma_potential_E"][:, 0] == -65).all()


@pytest.mark.parametrize("population", ["E", "I"])
def test_inhibition_goes_from_pre_to_post(neuron_cache: Path, population: str):
    """Strong inhibition of one population silences that one alone."""
    # strong drive, at which both fire whatever the seed
    normal, silent = (simulate(neuron_cache, nu_ext=80.0, **more) for more in ({}, {f"weight_{population}I": 0.5}))
    row, other = "EI".index(population), "EI".index({"E": "I", "I": "E"}[population])
    assert (normal["rate"] > 10).all()
    assert silent["rate"][row] < 0.7 * normal["rate"][row]
    assert silent["rate"][other] > 0.7 * normal["rate"][other]


def test_without_drive_the_network_is_silent(neuron_cache: Path):
    """Nothing but the channels moves the potential."""
    silent = simulate(neuron_cache, nu_ext=0.0)
    assert silent["spike_counts"].sum() == 0


def test_everything_is_cleaned(outputs: dict[str, np.ndarray]):
    """No section stays, and the integrator is as it was."""
    h = mechanisms.neuron_interpreter()
    assert not list(h.allsec()) and not h.CVode().use_fast_imem()
    assert int(h.ParallelContext().gid_exists(0)) == 0


def test_a_stopped_simulation_leaves_nothing_behind(neuron_cache: Path, outputs: dict[str, np.ndarray]):
    """A request to stop is heard between pieces; the next simulation in the process is as if there had been none."""

    def stop(fraction: float) -> None:
        if fraction > 0.3:
            raise Interrupted("stop")

    point = Point(values_with(), "0" * 32, 0, 7)
    with pytest.raises(Interrupted):
        ball_and_sticks_network.simulate(point, Context(cache=neuron_cache, progress=stop))
    again = simulate(neuron_cache)
    for name, array in outputs.items():
        np.testing.assert_array_equal(again[name], array)


def test_sections_of_somebody_else_are_refused(neuron_cache: Path):
    """NEURON would simulate them too."""
    stray = mechanisms.neuron_interpreter().Section(name="stray")
    with pytest.raises(SimulationError, match="stray"):
        simulate(neuron_cache)
    del stray


def test_ranks_that_do_not_fit_are_refused(neuron_cache: Path):
    """NEURON and the task must agree about them."""

    class FourRanks:
        def Get_size(self) -> int:
            return 4

    point = Point(values_with(), "0" * 32, 0, 1)
    with pytest.raises(SimulationError, match=r"NEURON runs on 1 MPI rank\(s\) and the task on 4"):
        ball_and_sticks_network.simulate(point, Context(cache=neuron_cache, communicator=FourRanks()))


class OneOf:
    """A ParallelContext that believes to be one of several ranks."""

    def __init__(self, parallel: Any, rank: int, ranks: int) -> None:
        self._parallel, self._rank, self._ranks = parallel, rank, ranks

    def id(self) -> int:
        return self._rank

    def nhost(self) -> int:
        return self._ranks

    def set_gid2node(self, gid: int, rank: int) -> None:
        assert rank == self._rank
        self._parallel.set_gid2node(gid, 0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parallel, name)


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_ranks_share_out_the_same_network(neuron_cache: Path, ranks: int):
    """Each neuron has one owner, and the parts have as many synapses and drives as the whole."""
    values, positions, n_synapses, owners = values_with(), {}, 0, []
    for rank in range(ranks):
        with parallel_session() as (h, parallel):
            mechanisms.load(MECHANISMS, neuron_cache)
            network = Network(h, OneOf(parallel, rank, ranks), values, 3)
            network.connect()
            n_synapses += network.n_synapses
            positions |= {(neuron.population, neuron.index): neuron.position for neuron in network}
            owners += [(neuron.population, neuron.index) for neuron in network]
            del network
    assert sorted(owners) == [("E", i) for i in range(16)] + [("I", i) for i in range(4)]
    with parallel_session() as (h, parallel):
        whole = Network(h, parallel, values, 3)
        whole.connect()
        assert n_synapses == whole.n_synapses
        for neuron in whole:
            np.testing.assert_array_equal(neuron.position, positions[neuron.population, neuron.index])
        del whole, neuron


def test_more_ranks_than_neurons_are_refused(neuron_cache: Path):
    """Some would have nothing to do."""
    with parallel_session() as (h, parallel):
        mechanisms.load(MECHANISMS, neuron_cache)
        with pytest.raises(SimulationError, match="21 MPI ranks and 20 neurons"):
            Network(h, OneOf(parallel, 0, 21), values_with(), 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dt": 0.05}, "power of two"),
        ({"dt_v": 0.1}, r"dt_v \(0.1 ms\) must be a multiple of dt"),
        ({"tstop": 60.03}, "tstop .* multiple of dt"),
        ({"tstop": 10.0}, "must be longer than transient"),
        ({"scale": 0.5}, "use a scale of at least 1"),
        ({"delay_min_IE": 0.01}, "delay_min_IE .* shorter than the time step"),
        ({"tau_rise_EI": 9.0}, "tau_rise_EI must be less"),
        ({"weight_EE": 0.0, "weight_scaling": 1.1}, "set weight_scaling = 1"),
        ({"sections_EE": ("apic", "axon")}, "sections_EE is .*'axon'.*; allowed are soma, dend, apic"),
        ({"contacts": ()}, "contacts is empty"),
        ({"cell_E": "hay2011_synthetic", "soma_length_E": 20.0}, "soma_length_E is 20 um, .* leave soma_length_E out"),
        ({"contacts": (0.0, 0.1e6)}, r"a contact lies at 100000 um; allowed are depths from -10000 to 10000 um"),
        ({"contacts": (0.0, float("nan"))}, "a contact lies at nan um"),
        ({"contacts": (0.0, 100.0, 0.0)}, "two contacts lie at the same depth"),
        ({"contacts": (0.0, 60.0)}, "csd_thickness is 100 um, and contacts are 60 um apart"),
    ],
)
def test_values_that_make_no_sense_together(change: dict[str, Any], message: str):
    """Each gets a sentence."""
    assert re.search(message, ball_and_sticks_network.check({**ball_and_sticks_network.defaults(), **TINY, **change}))


def test_published_conditions_are_presets():
    """Five weight scalings; at full size, 27 and 11 segments, 13 contacts, 10 s of signals."""
    presets, scalings = ball_and_sticks_network.presets, [0.975, 1.0, 1.025, 1.05, 1.075]
    assert [presets[f"hagen2022_J{J:g}"] for J in scalings] == [{"weight_scaling": J} for J in scalings]
    hay = {"cell_E": "hay2011", "n_ext_E": 920}
    assert [presets[f"hagen2022_hay_J{J:g}"] for J in scalings] == [{"weight_scaling": J, **hay} for J in scalings]
    layout = ball_and_sticks_network.layout({})
    assert layout.shape("population_lfp") == (2, 13, 160_000)
    assert layout.shape("segment_potential_E") == (27, 10_000) and layout.shape("segment_potential_I") == (11, 10_000)
    assert layout.shape("soma_potential_I") == (64, 10_000)


@pytest.mark.slow
def test_kernels_predict_the_dipole(neuron_cache: Path):
    """128/16 neurons, 800 ms: R2 of at least 0.85 with the effective leak, at least 0.12 less and twice as large without it.

    Bounds of the reference study's reproduction with three seeds: 0.88 to 0.92 and 1.12 to 1.17; 0.65 to 0.72 and 2.4 to 2.5.
    """
    from scipy.signal import fftconvolve

    everybody = {f"C_{suffix}": 1.0 for suffix in SUFFIXES}
    size = {"N_E": 128, "N_I": 16}
    truth = simulate(neuron_cache, **size, tstop=800.0, transient=200.0, n_recorded=64)
    found = {}
    for g_eff in (True, False):
        values = {**kernel.defaults(), **size, **everybody, "membrane": "frozen", "contacts": (0.0,), "g_eff": g_eff}
        for row, population in enumerate("EI"):
            values |= {f"nu_{population}": truth["rate"][row], f"V_rest_{population}": truth["V_rest"][row]}
        kernels = kernel.simulate(Point(values, "0" * 32, 0, 0), Context(cache=neuron_cache))["dipole_kernel"]
        counts = truth["spike_counts"].astype(float)
        predicted = sum(fftconvolve(counts[i % 2], each, mode="same") for i, each in enumerate(kernels))
        # spikes of the transient, which are not counted, still act for 100 ms
        dipole, predicted = truth["population_dipole"].sum(axis=0)[1600:], predicted[1600:]
        found[g_eff] = np.corrcoef(dipole, predicted)[0, 1] ** 2, predicted.std() / dipole.std()
    assert found[True][0] >= 0.85 and 0.9 <= found[True][1] <= 1.3
    assert found[False][0] <= found[True][0] - 0.12 and found[False][1] > 2
