"""Features of Hay et al. (2011) on traces whose features are known."""

from __future__ import annotations

import numpy as np
import pytest
from absent import needed
from synthetic_traces import burst, recording, step, trace

from hpcsim.evaluation.hay_features import FEATURES
from hpcsim.evaluation.recording import Recording, base, crossings

REGULAR = (720.0, 820.0, 920.0, 1020.0, 1120.0, 1220.0)


@pytest.mark.parametrize(
    ("name", "found", "expected"),
    [
        ("spike_count", burst(), [3]),
        ("height", burst(), [25, 25, 25]),
        ("width", burst(), [1, 1, 1]),
        ("ahp_depth", burst(), [-65, -65]),
        ("burst_isi", burst(), [9.5]),
        ("burst_isi", burst((298.0, 310.0)), [12]),
        # of four spikes the first interval
        ("burst_isi", burst((298.0, 310.0, 330.0, 350.0)), [12]),
        ("burst_isi", burst((298.0,)), []),
        ("calcium_height", burst(), [7]),
        ("calcium_width", burst(), [37]),
        ("calcium_width", burst(calcium=(300.0, 337.0, -56.0)), []),
        # a spike before the onset is not the calcium spike
        ("calcium_height", burst(calcium=(290.0, 294.0, 7.0)), []),
        ("spike_count", step(REGULAR), [6]),
        ("frequency", step(REGULAR), [3]),
        ("latency", step(REGULAR), [20]),
        ("first_isi", step((720.0, 745.0, 900.0, 1000.0, 1100.0)), [25]),
        ("first_isi", step((720.0,)), []),
        ("width", step(REGULAR), [2] * 6),
        ("fast_ahp_depth", step(REGULAR), [-60] * 4),
        ("slow_ahp_depth", step(REGULAR), [-58] * 4),
        ("slow_ahp_time", step(REGULAR), [0.5] * 4),
        # spikes closer than 5 ms have one depth
        ("slow_ahp_depth", step((720.0, 820.0, 824.0, 1000.0)), [-60, -58]),
        ("latency", recording(trace(600, -75, [])), []),
    ],
)
def test_known_features(name: str, found: Recording, expected: list[float]):
    np.testing.assert_allclose(FEATURES[name](found), expected, atol=1e-9)


def test_attenuation_is_of_the_event_after_the_onset():
    """Above the base of the dendrite, however high it was before."""
    soma = trace(600, -75, [(298, 299, 25)])
    near = trace(600, -70, [(200, 201, 0.0), (298, 300, -35.0)])
    far = trace(600, -72, [(298, 300, -42.0)])
    found = recording(soma, near, far, duration=5.0)
    # the base holds 1 ms of the event at 200 ms in 73.75
    assert base(found, near) == pytest.approx(-70 + 70 / 73.75, abs=0.05)
    assert FEATURES["attenuation_1"](found)[0] == pytest.approx(-35 - base(found, near))
    assert FEATURES["attenuation_2"](found) == pytest.approx([30.0])
    assert not len(FEATURES["attenuation_1"](recording(soma, trace(600, -70, []), far)))


def test_a_tail_longer_than_the_last_interval_counts_as_one():
    """The first interval is left out: intervals 100, 100, 100, 100 and 1480 ms, or 400 four times and a tail of 280."""
    long = np.array([100.0, 100, 100, 100, 1480])
    np.testing.assert_allclose(FEATURES["adaptation"](step(REGULAR)), [np.mean(np.diff(long) / (long[1:] + long[:-1]))])
    np.testing.assert_allclose(FEATURES["isi_cv"](step(REGULAR)), [long.std(ddof=1) / long.mean()])
    even = step((720.0, 820.0, 1220.0, 1620.0, 2020.0, 2420.0))
    np.testing.assert_allclose(FEATURES["isi_cv"](even), [0], atol=1e-12)
    np.testing.assert_allclose(FEATURES["adaptation"](even), [0], atol=1e-12)


def test_crossings_begin_with_an_upward_one():
    """A trace that starts above the threshold has an end without a begin, which is no event; the last one may have no end."""
    up, down = crossings(np.array([10.0, 10, -80, 20, 20, -80, 20]), -30.0)
    assert up.tolist() == [3, 6] and down.tolist() == [5]
    assert [len(found) for found in crossings(np.full(5, -80.0), -30.0)] == [0, 0]
    # what is at the threshold has not crossed it
    assert [len(found) for found in crossings(np.array([-80.0, -30.0, -80.0]), -30.0)] == [0, 0]


def test_efel_agrees_where_it_has_the_same_feature():
    """On smooth traces; time to the first spike but for the way from the crossing to the peak, attenuation by another name."""
    needed("efel")
    from hpcsim.evaluation.efel_features import values
    from hpcsim.evaluation.objective import Objective

    time = np.arange(0, 3000, 0.025)
    soma, site = np.full(len(time), -75.0), np.full(len(time), -70.0)
    soma += 15.0 * ((time > 700) & (time < 2700))
    for start in (750.0, 940.0, 1150.0, 1380.0, 1630.0, 1900.0, 2190.0, 2500.0):
        soma += 90 * np.exp(-(((time - start) / 0.6) ** 2))
        site += 40 * np.exp(-(((time - start) / 2) ** 2))
    found = Recording(time, soma, site[None], 700.0, 2000.0)
    for own, name, place, tolerance in (
        ("spike_count", "Spikecount", "soma", 0),
        ("height", "AP_height", "soma", 0.01),
        ("first_isi", "doublet_ISI", "soma", 0.05),
        ("adaptation", "adaptation_index2", "soma", 1e-3),
        ("isi_cv", "ISI_CV", "soma", 1e-3),
        ("latency", "time_to_first_spike", "soma", 0.7),
        ("attenuation_1", "AP_amplitude_from_voltagebase", "site_1", 0.01),
    ):
        other = values(Objective("x", "step1", name, 0.0, 1.0, "g", place, "efel"), found)
        assert other[0] == pytest.approx(FEATURES[own](found).mean(), abs=tolerance), name
