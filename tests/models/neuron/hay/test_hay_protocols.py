"""What the Hay neuron does: on the shape that hpcsim makes, and, with ``-m modeldb``, on the published one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hpcsim.errors import SimulationError
from hpcsim.models.neuron.hay.cell import reconstructed, synthetic
from hpcsim.models.neuron.hay.protocols import PROTOCOLS, Protocol, Pulse, Traces, simulate
from hpcsim.models.neuron.morphology.cell import Cell
from hpcsim.models.neuron.nmodl.mechanisms import neuron_interpreter


@pytest.fixture(scope="module")
def cell() -> Cell:
    return synthetic()


def amplitude(traces: Traces, potential: np.ndarray, start: float = 295.0) -> float:
    """Peak after a time over the mean of the second quarter before it, as published."""
    base = potential[(traces.time > start / 2) & (traces.time < 0.75 * start)].mean()
    return float(potential[traces.time > start].max() - base)


def longest_above(traces: Traces, potential: np.ndarray, level: float = -55.0) -> float:
    """Duration of the first event above a level after the stimulus, ms."""
    after = (traces.time > 295) & (potential > level)
    start = int(after.argmax())
    stop = start + int((~after[start:]).argmax())
    return float(traces.time[stop] - traces.time[start])


def test_rest_and_input_resistance(neuron_cache: Path, cell: Cell):
    """Near -76 mV, and tens of megohms, as layer 5 pyramidal neurons; Ih makes a sag."""
    weak = Protocol(1500.0, (Pulse(-0.1, 1000.0, 500.0),))
    traces = simulate(cell, weak, neuron_cache)
    before, at_end = (traces.soma[traces.time < time][-1] for time in (1000, 1500))
    assert before == pytest.approx(-76, abs=3)
    assert 15 < (at_end - before) / -0.1 < 60
    assert traces.soma[traces.time > 1000].min() < at_end - 0.2
    assert not len(simulate(cell, PROTOCOLS["rest"], neuron_cache).spike_times())


def test_steps_make_it_fire(neuron_cache: Path, cell: Cell):
    """At rates that grow with the current, within 36 percent of the published means 9, 14.5 and 22.5 1/s, without a pause."""
    published = np.array([9.0, 14.5, 22.5])
    rates = []
    for step in ("step1", "step2", "step3"):
        spikes = simulate(cell, PROTOCOLS[step], neuron_cache).spike_times()
        assert ((spikes > 700) & (spikes < 2700)).all() and spikes[-1] > 2300
        rates.append(len(spikes) / 2)
    assert rates == sorted(rates)
    np.testing.assert_allclose(rates, published, rtol=0.36)


def test_action_potential_propagates_back(neuron_cache: Path, cell: Cell):
    """One somatic spike attenuates along the trunk; within 3 published standard deviations at 620 and 800 um."""
    traces = simulate(cell, PROTOCOLS["bAP"], neuron_cache, sites=(100, 300, 620, 800))
    assert len(traces.spike_times()) == 1
    soma, *sites = (amplitude(traces, potential) for potential in (traces.soma, *traces.sites))
    assert 80 < soma < 125
    assert [soma, *sites] == sorted([soma, *sites], reverse=True)
    # 45 +- 10 mV and 36 +- 9.33 mV
    assert abs(sites[2] - 45) < 3 * 10 and abs(sites[3] - 36) < 3 * 9.33
    # a spike takes longer to get farther
    peaks = [traces.time[potential.argmax()] for potential in (traces.soma, *traces.sites)]
    assert peaks == sorted(peaks) and peaks[-1] > peaks[0] + 1


def test_coincidence_makes_a_calcium_spike(neuron_cache: Path, cell: Cell):
    """Neither a somatic spike nor dendritic input alone, but both: a plateau in the dendrite and a burst at the soma."""
    alone, input_alone, both = (simulate(cell, PROTOCOLS[name], neuron_cache, sites=(620,)) for name in ("bAP", "EPSP", "BAC"))
    assert len(input_alone.spike_times()) == 0 and len(alone.spike_times()) == 1 and 2 <= len(both.spike_times()) <= 3
    # published at 620 um: 6.73 +- 2.54 mV high, 37.43 +- 1.27 ms wide at -55 mV
    assert both.sites[0].max() == pytest.approx(6.73, abs=2 * 2.54)
    assert longest_above(both, both.sites[0]) == pytest.approx(37.43, abs=5)
    assert longest_above(alone, alone.sites[0]) < 15 and longest_above(input_alone, input_alone.sites[0]) < 15


def test_integrators_agree(neuron_cache: Path, cell: Cell):
    """Variable and fixed steps: the same spikes, to a tenth of a millisecond, and the same attenuation to a few percent.

    Published figures move by as much with the integrator.
    """
    variable, fixed = (simulate(cell, PROTOCOLS["bAP"], neuron_cache, sites=(300,), dt=dt) for dt in (0.0, 0.025))
    np.testing.assert_allclose(variable.spike_times(), fixed.spike_times(), atol=0.1)
    assert amplitude(variable, variable.sites[0]) == pytest.approx(amplitude(fixed, fixed.sites[0]), rel=0.08)


def test_nothing_stays(neuron_cache: Path, cell: Cell):
    """A simulation leaves no section and no setting, and the next one gives the same bits."""
    h = neuron_interpreter()
    before = h.celsius, h.dt, h.CVode().active()
    first, second = (simulate(cell, PROTOCOLS["bAP"], neuron_cache) for _ in range(2))
    assert not list(h.allsec()) and (h.celsius, h.dt, h.CVode().active()) == before
    np.testing.assert_array_equal(first.soma, second.soma)


def test_a_site_beyond_the_dendrite_is_refused(neuron_cache: Path, cell: Cell):
    """And NEURON is empty afterwards."""
    with pytest.raises(SimulationError, match="no place 1500 um from the soma"):
        simulate(cell, PROTOCOLS["bAP"], neuron_cache, sites=(1500,))
    assert not list(neuron_interpreter().allsec())


#: The published code (ModelDB 139653, L5PCbiophys3, cell1.asc) in NEURON 9.0.2 with CVODE and its default tolerance: spikes, the
#: first of them (ms), and the maxima at 620 and 800 um (mV).
PUBLISHED: dict[str, tuple[int, tuple[float, ...], tuple[float, float]]] = {
    "bAP": (1, (297.925,), (-36.441, -44.888)),
    "EPSP": (0, (), (-59.577, -61.946)),
    "BAC": (3, (297.925, 307.450, 324.950), (9.109, 20.284)),
    "step1": (20, (717.875, 728.075, 742.225), (-58.581, -60.457)),
    "step2": (25, (711.800, 719.950, 730.425), (-58.022, -60.061)),
    "step3": (36, (704.250, 709.700, 715.475), (-49.315, -54.226)),
}


@pytest.fixture(scope="module")
def published_cell() -> Cell:
    """On the morphology of ModelDB 139653, which is fetched."""
    return reconstructed()


@pytest.mark.modeldb
def test_published_densities_on_the_reconstruction(published_cell: Cell):
    """642 segments; conductance times area, summed over the apical dendrite, to all digits that the published code prints (S)."""
    assert len(published_cell.segments) == 642
    apical = published_cell.segments.section == "apic"
    for channel, total in {"Ih": 6.4318385e-07, "Ca_HVA": 2.3836671e-08, "Ca_LVAst": 4.9058566e-07}.items():
        found = (published_cell.density(f"gbar_{channel}") * published_cell.segments.area * 1e-8)[apical].sum()
        assert f"{found:.7e}" == f"{total:.7e}"


@pytest.mark.modeldb
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_traces(neuron_cache: Path, published_cell: Cell, name: str):
    """Spikes, their times, and maxima in the dendrite, as the published code gives them.

    With a tolerance a thousand times finer (1e-6) both codes agree in each spike of BAC and of the first step to a sample of
    0.025 ms, and in the dendrite to 0.003 mV. At the default one both are a little off: hence 0.1 ms and 0.1 mV; 0.25 mV in
    steps, whose maxima are among many spikes.
    """
    number, first, maxima = PUBLISHED[name]
    traces = simulate(published_cell, PROTOCOLS[name], neuron_cache, sites=(620, 800))
    spikes = traces.spike_times()
    assert len(spikes) == number
    np.testing.assert_allclose(spikes[: len(first)], first, atol=0.1)
    np.testing.assert_allclose(traces.sites.max(axis=1), maxima, atol=0.25 if name.startswith("step") else 0.1)
    assert traces.sites[0][traces.time < 290][-1] == pytest.approx(-71.9148, abs=2e-3)


@pytest.mark.modeldb
def test_published_calcium_spike(neuron_cache: Path, published_cell: Cell):
    """36.93 ms above -55 mV at 620 um."""
    traces = simulate(published_cell, PROTOCOLS["BAC"], neuron_cache, sites=(620,))
    assert longest_above(traces, traces.sites[0]) == pytest.approx(36.93, abs=0.1)
