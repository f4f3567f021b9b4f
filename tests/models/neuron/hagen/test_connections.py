"""Drawn networks: the published laws, and independence of who draws."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest, truncnorm

from hpcsim.errors import SimulationError
from hpcsim.models.neuron.hagen import ball_and_sticks, cells, connections
from hpcsim.models.neuron.hagen.ball_and_sticks_network import ball_and_sticks_network

VALUES = ball_and_sticks_network.defaults()
CELLS = {population: cells.cell(VALUES, population).segments for population in "EI"}
PATHWAYS = ball_and_sticks.PATHWAYS


def drawn(pathway: str, n: int, depth: float = 0.0, **changes: Any) -> list[connections.Synapses]:
    values = {**VALUES, **changes}
    return [connections.synapses(values, 5, pathway, i, depth, CELLS[pathway[0]]) for i in range(n)]


@pytest.mark.parametrize(
    ("pathway", "n_in", "multapses", "weight", "delay", "shortest"),
    [
        ("E:E", 409.6, 2.000, 0.00015, 1.5, 0.3),
        ("I:E", 409.6, 2.005, 0.000125, 1.4, 0.3),
        ("E:I", 51.2, 5.000, 0.0045, 1.3, 0.2),
        ("I:I", 51.2, 5.000, 0.002, 1.2, 0.3),
    ],
)
def test_published_laws(pathway: str, n_in: float, multapses: float, weight: float, delay: float, shortest: float):
    """In-degrees, synapses a connection, weights and delays of Hagen et al. (2022), in 40 neurons."""
    neurons = drawn(pathway, 40)
    per_pair = np.concatenate([np.unique(neuron.pre, return_counts=True)[1] for neuron in neurons])
    connected = np.array([len(np.unique(neuron.pre)) for neuron in neurons])
    assert connected.mean() == pytest.approx(n_in, abs=4 * np.sqrt(n_in / 40))
    assert per_pair.mean() == pytest.approx(multapses, abs=4 * per_pair.std() / np.sqrt(len(per_pair)))
    assert per_pair.min() >= 1 and per_pair.max() <= 10
    weights, delays = (np.concatenate([getattr(neuron, name) for neuron in neurons]) for name in ("weight", "delay"))
    assert weights.mean() == pytest.approx(weight, rel=0.01)
    assert weights.std() == pytest.approx(0.1 * weight, rel=0.05)
    assert weights.min() > 0 and delays.min() >= shortest
    # cutting the lower tail moves the mean up
    std = VALUES[f"delay_std_{pathway.replace(':', '')}"]
    assert delays.mean() == pytest.approx(truncnorm((shortest - delay) / std, np.inf, delay, std).mean(), rel=0.01)


def test_delays_are_cut_like_scipys_truncated_normal():
    """Kolmogorov-Smirnov, with a cut in the middle of the law."""
    delays = np.concatenate([neuron.delay for neuron in drawn("E:E", 5, delay_min_EE=1.5)])
    assert kstest(delays, truncnorm(0, np.inf, loc=1.5, scale=0.3).cdf).pvalue > 1e-3


@pytest.mark.parametrize("pathway", PATHWAYS)
def test_synapses_lie_where_the_law_says(pathway: str):
    """Shares of segments are area times layers at the depth of the neuron; none on the soma where it is not allowed."""
    depth, suffix = 60.0, pathway.replace(":", "")
    cell = CELLS[pathway[0]]
    layers = zip(*(VALUES[f"position_{what}_{suffix}"] for what in ("weight", "mean", "std")), strict=True)
    z = cell.middle + depth
    density = cell.area * sum(w / std * np.exp(-0.5 * ((z - mean) / std) ** 2) for w, mean, std in layers)
    density[~np.isin(cell.section, VALUES[f"sections_{suffix}"])] = 0
    found = np.bincount(np.concatenate([n.segment for n in drawn(pathway, 40, depth)]), minlength=len(cell))
    expected = density / density.sum() * found.sum()
    assert (np.abs(found - expected) <= 5 * np.sqrt(expected) + 1).all()
    assert not found[density == 0].any()


def test_no_neuron_is_connected_to_itself():
    """Also where everybody is connected to everybody."""
    everybody = {"N_E": 20, "N_I": 5, **{f"C_{suffix}": 1.0 for suffix in ball_and_sticks.SUFFIXES}}
    for i, neuron in enumerate(drawn("E:E", 20, **everybody)):
        assert set(neuron.pre.tolist()) == set(range(20)) - {i}
    assert set(drawn("I:E", 1, **everybody)[0].pre.tolist()) == set(range(20))


def test_scale_keeps_in_degrees():
    """A sixteenth of the neurons with sixteen times the probability."""
    full, scaled = (np.mean([len(n) for n in drawn("E:E", 30, scale=scale)]) for scale in (1.0, 1 / 16))
    assert connections.size({**VALUES, "scale": 1 / 16}, "E") == 512
    assert scaled == pytest.approx(full, rel=0.03)


def test_any_number_of_ranks_draws_the_same_network():
    """Who draws before or beside a neuron does not matter; seed, neuron and pathway do."""
    alone = connections.synapses(VALUES, 5, "E:I", 7, 0.0, CELLS["E"])
    for ranks in (1, 2, 4):
        owned = {i: connections.synapses(VALUES, 5, "E:I", i, 0.0, CELLS["E"]) for i in range(8) if i % ranks == 7 % ranks}
        for name in ("pre", "segment", "weight", "delay"):
            np.testing.assert_array_equal(getattr(owned[7], name), getattr(alone, name))
    for other in (("E:I", 8, 5), ("E:I", 7, 6), ("E:E", 7, 5)):
        pathway, index, seed = other
        assert not np.array_equal(connections.synapses(VALUES, seed, pathway, index, 0.0, CELLS["E"]).delay, alone.delay)
    drives = [connections.drive(VALUES, 5, "E", i, CELLS["E"]) for i in (3, 3, 4)]
    np.testing.assert_array_equal(drives[0].streams, drives[1].streams)
    assert not np.isin(drives[0].streams, drives[2].streams).any()


def test_positions_and_drive_follow_their_laws():
    """Uniform in a disc of 150 um, 75 um along z; 465 external synapses spread by area."""
    found = np.array([connections.position(VALUES, 5, "E", i) for i in range(2000)])
    radius = np.hypot(found[:, 0], found[:, 1])
    assert radius.max() <= 150 and (radius < 75).mean() == pytest.approx(0.25, abs=0.04)
    assert found[:, :2].mean(axis=0) == pytest.approx([0, 0], abs=8)
    assert (found[:, 2].mean(), found[:, 2].std()) == (pytest.approx(0, abs=7), pytest.approx(75, rel=0.06))
    numbers = sum(connections.drive(VALUES, 5, "E", i, CELLS["E"]).synapses for i in range(50))
    expected = 50 * 465 * CELLS["E"].area / CELLS["E"].area.sum()
    assert numbers.sum() == 50 * 465
    assert (np.abs(numbers - expected) < 5 * np.sqrt(expected)).all()


def test_weight_scaling_of_the_published_conditions():
    """J = 1.075 of Hagen et al. (2022), and none at J = 1."""
    assert ball_and_sticks.scaled_weights(VALUES) == {"EE": 0.00015, "EI": 0.0045, "IE": 0.000125, "II": 0.002}
    scaled = ball_and_sticks.scaled_weights({**VALUES, "weight_scaling": 1.075})
    expected = {"EE": 0.001313, "EI": 0.004596, "IE": 0.000398, "II": 0.002029}
    assert scaled == {suffix: pytest.approx(weight, abs=5.1e-7) for suffix, weight in expected.items()}
    strong = drawn("E:E", 1, weight_scaling=1.075)[0]
    assert strong.weight.mean() == pytest.approx(0.001313, rel=0.02)


def test_neurons_out_of_reach_are_refused():
    """Better than a synapse somewhere."""
    far = replace(CELLS["E"], z=CELLS["E"].z + 1e5)
    with pytest.raises(SimulationError, match=r"no segment of neuron 3 of population E .* widen position_std_EE"):
        connections.synapses(VALUES, 5, "E:E", 3, 0.0, far)
