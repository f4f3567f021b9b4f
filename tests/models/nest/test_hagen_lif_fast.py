"""The neuron that draws its own Poisson input, against NEST's neuron and generator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from absent import absent
from scipy import stats

import hpcsim
from hpcsim.errors import SimulationError
from hpcsim.models.model import Context, Model
from hpcsim.models.nest import extension
from hpcsim.models.nest.hagen_lif import hagen_lif, membrane
from hpcsim.models.nest.hagen_lif_fast import NEURON, SOURCE, hagen_lif_fast
from hpcsim.paths import cache_directory
from hpcsim.stages.features.spikes import interval_statistics
from hpcsim.stages.spectra import density, frequencies
from hpcsim.testing import check_model

DT = 2.0**-4
SMALL = {"N_E": 400, "N_I": 50, "J_ext": 31.0, "tstop": 600.0, "transient": 100.0}
SEEDS = range(8)


@pytest.fixture(scope="module")
def library() -> Path:
    """The compiled neuron."""
    try:
        return extension.library(SOURCE, cache_directory())
    except SimulationError as error:
        absent(str(error))


def reset(library: Path) -> Any:
    import nest

    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.set(tics_per_ms=round(1000 / DT), resolution=DT, rng_seed=5)
    nest.Install(str(library))
    return nest


@pytest.mark.parametrize("tau_syn_in", [0.5, 2.0])
def test_without_input_of_its_own_it_is_nests_neuron(library: Path, tau_syn_in: float):
    """Spikes onto both give the same spikes: with one buffer for both currents where they decay alike, and with two."""
    nest, random = reset(library), np.random.default_rng(2)
    parameters = {**membrane(hagen_lif.defaults(), "E"), "tau_syn_in": tau_syn_in}
    found = []
    times = [np.sort(random.choice(np.arange(1, 4800), 600, replace=False)) * DT for _ in range(40)]
    sources = nest.Create("spike_generator", 40, [{"spike_times": train.tolist()} for train in times])
    weights = random.normal(200, 300, 40)
    # as much charge where inhibition lasts longer
    weights = np.where(weights > 0, weights, weights * 0.5 / tau_syn_in)[np.newaxis].tolist()
    delays = (random.integers(5, 60, (1, 40)) * DT).tolist()
    for kind in ("iaf_psc_exp", NEURON):
        neuron, recorder = nest.Create(kind, params=parameters), nest.Create("spike_recorder")
        nest.Connect(sources, neuron, syn_spec={"weight": weights, "delay": delays})
        nest.Connect(neuron, recorder)
        found.append((neuron, recorder))
    nest.Simulate(300.0)
    (theirs, their_spikes), (own, own_spikes) = found
    assert their_spikes.n_events > 10
    np.testing.assert_array_equal(own_spikes.events["times"], their_spikes.events["times"])
    # weights are stored in single precision
    assert own.V_m == pytest.approx(theirs.V_m, abs=1e-4)


@pytest.mark.parametrize("mean", [0.0, 0.4, 1.1625, 30.0])
def test_counts_of_a_step_are_poisson_numbers(library: Path, mean: float):
    """Of 20 000 neurons, at the first step that the delay allows and at the next one."""
    nest, n, delay = reset(library), 20_000, 3
    about = {"tau_m": 10.0, "C_m": 100.0, "tau_syn_ex": 1e-3, "tau_syn_in": 1e-3, "E_L": 0.0, "V_m": 0.0, "V_th": 1e9}
    drive = {"poisson_rate": mean / DT * 1e3, "poisson_weight": 1e6, "poisson_delay": delay * DT}
    neurons = nest.Create(NEURON, n, {**about, **drive})
    leak, rate = np.exp(-DT / 10), 1e3 - 0.1
    jump = 1e6 * leak * -np.expm1(-rate * DT) / rate / 100
    nest.Simulate((delay + 1) * DT)
    assert not np.any(neurons.V_m)
    before, counts = np.zeros(n), []
    for _ in range(2):
        nest.Simulate(DT)
        after = np.array(neurons.V_m)
        counts.append((after - before * leak) / jump)
        before = after
    for count in counts:
        whole = np.rint(count).astype(int)
        assert np.abs(count - whole).max() < 1e-6
        edges = np.arange(stats.poisson.ppf(1e-3, mean), stats.poisson.ppf(1 - 1e-3, mean) + 2)
        expected = n * np.diff(np.concatenate([[0], stats.poisson.cdf(edges[:-1], mean), [1]]))
        binned = np.bincount(np.clip(np.searchsorted(edges, whole), 0, len(edges) - 1), minlength=len(edges))
        usable = expected > 0
        assert binned[~usable].sum() == 0
        assert mean == 0 or stats.chisquare(binned[usable], expected[usable]).pvalue > 1e-3
    # one in the next step says nothing about the one before, nor one neuron's about its neighbour's
    if mean:
        assert abs(np.corrcoef(*counts)[0, 1]) < 4 / np.sqrt(n)
        assert abs(np.corrcoef(counts[0][1:], counts[0][:-1])[0, 1]) < 4 / np.sqrt(n)


def statistics(kind: Model, seed: int, **more: float) -> np.ndarray:
    """Rates, irregularity of E, and power of the rate of E below 40, 100 and 300 Hz, in logarithms."""
    study = hpcsim.Study("lif", kind.name, fixed={**SMALL, **more}, seed=seed)
    given = kind.simulate(study.design.point(0), Context(cache=cache_directory()))
    _, cv = interval_statistics(given["spike_times_E"], given["spike_senders_E"])
    of = given["spike_counts"][0]
    power, f = density(of, DT, 2048), frequencies(len(of), DT, 2048)
    bands = [power[(f > low) & (f <= high)].mean() for low, high in ((0, 40), (40, 100), (100, 300))]
    return np.log([*given["rate"], cv.mean(), *bands])


def test_networks_have_the_same_statistics(library: Path):
    """The mean of eight seeds: 4 standard errors of its difference, which one quantity of six exceeds once in 200 tries."""
    theirs, own = (np.array([statistics(kind, seed) for seed in SEEDS]) for kind in (hagen_lif, hagen_lif_fast))
    error = np.sqrt((theirs.var(axis=0, ddof=1) + own.var(axis=0, ddof=1)) / len(SEEDS))
    assert (np.abs(theirs.mean(axis=0) - own.mean(axis=0)) < 4 * error).all()
    # the rate of E is known to half a per cent, so that a drive which is 1 % too strong is seen
    assert error[0] < 0.005


def test_it_keeps_the_contract(library: Path):
    given = check_model(hagen_lif_fast, {**SMALL, "tstop": 200.0}, cache=cache_directory())
    assert not np.array_equal(given["rate"][0], given["rate"][1])


def test_its_text_is_part_of_what_made_the_numbers():
    assert set(hagen_lif_fast.identity()) == {NEURON}
    assert hagen_lif_fast.parameters == hagen_lif.parameters


def test_a_compiler_that_refuses_says_why(tmp_path: Path):
    file = tmp_path / "broken.cpp"
    file.write_text("#include <boost/not_there.hpp>\n")
    with pytest.raises(
        SimulationError, match=r"libboost-dev libltdl-dev.*the compiler refused .*broken\.cpp \(exit code 1\)(?s:.)*not_there"
    ):
        extension.library(file, tmp_path / "cache")
