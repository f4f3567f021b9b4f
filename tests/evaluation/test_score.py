"""Deviations, their checks and penalties, groups, cutoffs, and scoring again what was stored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic_traces import burst, recording, step, trace

from hpcsim.errors import StudyError
from hpcsim.evaluation import hay
from hpcsim.evaluation.objective import Objective, checked, with_targets
from hpcsim.evaluation.raw import Raw, measure, protocols_of, stacked
from hpcsim.evaluation.recording import Recording
from hpcsim.evaluation.score import accepted, deviations, group_maxima, groups_of

BURST = tuple(objective for objective in hay.OBJECTIVES if objective.protocol == "BAC")
BAP = tuple(objective for objective in hay.OBJECTIVES if objective.protocol == "bAP")
REGULAR = tuple(720.0 + 100 * k for k in range(20))


def scored(found: Recording | None, objectives: tuple[Objective, ...] = BURST, protocol: str = "BAC") -> dict[str, float]:
    raw = measure(objectives, {protocol: found}, hay.WINDOWS)
    return dict(zip([objective.name for objective in objectives], deviations(objectives, raw)[0].tolist(), strict=True))


def test_the_published_table():
    """41 objectives in 13 groups, each with a mean and a standard deviation above 0."""
    assert len(checked(hay.OBJECTIVES, "hay")) == 41 and len(groups_of(hay.OBJECTIVES)) == 13
    assert protocols_of(hay.OBJECTIVES) == ("bAP", "BAC", "step1", "step2", "step3")


def test_mean_distance_of_all_values_and_not_distance_of_their_mean():
    """Heights of 20 and 30 mV are 1 standard deviation from 25 +- 5, though their mean is not."""
    soma = trace(600, -75, [(298, 307, -65), (298, 299, 20), (307, 308, 30)])
    assert scored(recording(soma, trace(600, -70, [(300, 330, 7)])))["BAC_APheight"] == pytest.approx(1.0)


def test_a_burst_of_two_spikes_has_a_shorter_calcium_spike():
    """30.43 ms, not 37.43."""
    for times, width in (((298.0, 308.0, 317.0), 37.43), ((298.0, 308.0), 30.43)):
        found = scored(burst(times, (300.0, 300.0 + 34, 7.0)))
        assert found["BAC_caSpike_width"] == pytest.approx(abs(34 - width) / 1.27, abs=0.03)


@pytest.mark.parametrize(
    ("found", "twenty"),
    [
        # a calcium spike that is over before the second spike
        (burst(calcium=(296.0, 307.0, 7.0)), {"BAC_caSpike_height"}),
        # none
        (burst(calcium=(300.0, 337.0, -60.0)), {"BAC_caSpike_height", "BAC_caSpike_width"}),
        # four spikes
        (burst((298.0, 308.0, 317.0, 326.0)), {"BAC_ISI"}),
    ],
    ids=["early calcium spike", "no calcium spike", "four spikes"],
)
def test_failed_checks_are_20_standard_deviations(found: Recording, twenty: set[str]):
    """And so is an objective without a value, which the original took for one that had passed."""
    scores = scored(found)
    assert {name for name, value in scores.items() if value == 20} == twenty
    assert all(np.isfinite(value) for value in scores.values())


def test_an_objective_without_a_value_has_not_passed():
    """A trace that counts without a spike has no height; the original's check of a height was true of any trace."""
    silent = recording(trace(600, -75, []))
    table = [objective for objective in BAP if objective.feature in ("spike_count", "height", "width")]
    raw = measure(table, {"bAP": silent}, {"bAP": hay.Window(295.0, 5.0, 0)})
    assert raw.fault.tolist() == [[0]] and raw.count.tolist() == [[1, 0, 0]] and raw.passed.tolist() == [[True, False, False]]
    np.testing.assert_allclose(deviations(table, raw), [[100, 20, 20]])


def test_two_calcium_spikes_fail_their_check():
    """Also where the first of them would be right."""
    soma = burst().soma
    twice = recording(soma, trace(600, -70, [(300, 337, 7.0), (400, 410, 0.0)]))
    assert scored(twice)["BAC_caSpike_height"] == scored(twice)["BAC_caSpike_width"] == 20


def test_attenuation_needs_one_spike_that_is_higher_at_the_soma():
    """A dendrite that is higher than the soma has not been reached by its spike."""
    soma, far = trace(600, -75, [(297, 298, 25)]), trace(600, -75, [(298, 299, -40)])
    right = scored(recording(soma, trace(600, -75, [(298, 299, -30)]), far, duration=5.0), BAP, "bAP")
    assert right["bAP_att2"] == pytest.approx(0) and right["bAP_att3"] == pytest.approx(1 / 9.33)
    higher = scored(recording(soma, trace(600, -75, [(298, 299, 30)]), far, duration=5.0), BAP, "bAP")
    assert higher["bAP_att2"] == 20 and higher["bAP_att3"] == pytest.approx(1 / 9.33)


@pytest.mark.parametrize(
    ("soma", "fault"),
    [
        (trace(600, -75, []), hay.FEW_SPIKES),
        (trace(600, -75, [(298, 299, 25), (308, 309, 25), (320, 600, -70)]), hay.NO_REST),
        (trace(600, -75, [(100, 101, 25), (298, 299, 25)]), hay.EARLY_SPIKE),
        (trace(600, -75, [(298, 299, 25), (343, 344, 25)]), hay.LATE_SPIKE),
        (trace(600, -75, [(100, 101, 25), (400, 600, 25)]), hay.EARLY_SPIKE + hay.LATE_SPIKE + hay.NO_REST),
    ],
)
def test_a_trace_that_has_failed(soma: np.ndarray, fault: int):
    """All its objectives are 250 less a tenth of its variance, and at least 75."""
    found = recording(soma, trace(600, -70, []))
    raw = measure(BURST, {"BAC": found}, hay.WINDOWS)
    assert raw.fault.tolist() == [[fault]]
    there = (found.time >= 195) & (found.time <= 295 + 22.5)
    assert deviations(BURST, raw) == pytest.approx(np.full((1, 6), max(75, 250 - 0.1 * np.var(soma[there]))))


def test_the_last_spike_may_be_a_little_late():
    """Up to 1.05 durations after the onset: 342.25 ms."""
    for time, fault in ((342.0, 0), (342.5, hay.LATE_SPIKE)):
        soma = trace(600, -75, [(298, 299, 25), (time, time + 1, 25)])
        assert hay.faults(recording(soma), 2) == fault


def test_a_protocol_that_did_not_run_is_the_worst():
    """250 standard deviations, and no raw value."""
    raw = measure(hay.OBJECTIVES[:11], {"bAP": None, "BAC": burst()}, hay.WINDOWS)
    found = deviations(hay.OBJECTIVES[:11], raw)
    assert (found[0, :5] == 250).all() and (found[0, 5:] < 20).all()
    assert raw.fault.tolist() == [[hay.NOT_RUN, 0]] and np.isnan(raw.means[0, :5]).all() and raw.count[0, :5].sum() == 0


def test_a_trace_that_was_cut_short():
    """The penalty of the whole one, and no values, which its rest might change."""
    soma = trace(600, -75, [(298, 299, 20), (310, 311, 20), (350, 351, 20)])
    whole = recording(soma, trace(600, -70, [(300, 330, 7)]))
    n = whole.index(352)
    cut = replace(whole, time=whole.time[:n], soma=whole.soma[:n], sites=whole.sites[:, :n], complete=False)
    one, other = (measure(BURST, {"BAC": found}, hay.WINDOWS) for found in (whole, cut))
    np.testing.assert_array_equal(deviations(BURST, one), deviations(BURST, other))
    assert one.fault.tolist() == [[hay.LATE_SPIKE]] and other.fault.tolist() == [[hay.LATE_SPIKE + hay.CUT_SHORT]]
    assert one.count.sum() and not other.count.sum()


def test_what_is_far_off_stays_below_a_failed_trace():
    """One spike too many is 100 standard deviations; more than 250 are 187.5."""
    assert scored(burst((298.0, 308.0)))["BAC_spikecount"] == pytest.approx(100)
    assert scored(burst((298.0, 304.0, 310.0, 316.0, 322.0, 328.0)))["BAC_spikecount"] == 187.5


def test_groups_are_maxima():
    """Of their objectives."""
    table = tuple(replace(objective, group="a" if i < 2 else "b") for i, objective in enumerate(BURST))
    assert groups_of(table) == ("a", "b")
    np.testing.assert_array_equal(group_maxima(table, np.array([[1.0, 3, 2, 7, 5, 6]])), [[3, 7]])


def rows(n: int) -> Raw:
    times = [tuple(REGULAR[: 6 + k % 5]) for k in range(n)]
    table = tuple(objective for objective in hay.OBJECTIVES if objective.protocol in ("BAC", "step1"))
    pairs = [{"BAC": None if k % 7 == 3 else burst(), "step1": step(own)} for k, own in enumerate(times)]
    return stacked([measure(table, pair, hay.WINDOWS) for pair in pairs])


def test_many_at_once_are_as_one_by_one_and_other_targets_need_no_trace():
    """The same bits; other means, standard deviations and groups are those of a table that had them from the start."""
    table = tuple(objective for objective in hay.OBJECTIVES if objective.protocol in ("BAC", "step1"))
    many = rows(20)
    together = deviations(table, many)
    for k in (0, 3, 19):
        own = Raw([many.values[k]], many.count[[k]], many.passed[[k]], many.penalty[[k]], many.fault[[k]])
        np.testing.assert_array_equal(deviations(table, own)[0], together[k])
    changed = with_targets(table, {"mf1": 4.0}, {"mf1": 0.5}, {"mf1": "own"})
    found = deviations(changed, many)
    place = [objective.name for objective in table].index("mf1")
    np.testing.assert_allclose(found[:, place], np.abs(many.means[:, place] - 4) / 0.5)
    np.testing.assert_array_equal(np.delete(found, place, 1), np.delete(together, place, 1))
    assert groups_of(changed)[-1] != "own" and "own" in groups_of(changed)


def test_cutoffs_of_each_protocol():
    """Inside only if no objective of any protocol is beyond; a protocol without a cutoff is an error, not one that all pass."""
    table = tuple(objective for objective in hay.OBJECTIVES if objective.protocol in ("bAP", "BAC"))
    inside = np.zeros((1, 11))
    beyond = inside.copy()
    beyond[0, 10] = 3.3
    assert accepted(table, np.vstack([inside, beyond]), {"bAP": 1.0, "BAC": 3.2}).tolist() == [True, False]
    assert accepted(table, beyond, {"all": 4.0}).tolist() == [True]
    with pytest.raises(StudyError, match=r"cutoffs\.BAC: there is none"):
        accepted(table, inside, {"bAP": 3.2})
    with pytest.raises(StudyError, match=r'cutoffs\.bAPs: there is no such protocol; did you mean "bAP"'):
        accepted(table, inside, {"bAPs": 3.2, "all": 3.2})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mean": None}, r"mf1\.mean: found None, expected a number"),
        ({"sd": None}, r"mf1\.sd: found None, expected a number"),
        ({"sd": 0.0}, r"mf1\.sd: found 0, expected a number above 0"),
        ({"mean": float("nan")}, r"mf1\.mean: found nan"),
        ({"feature": "frequncy"}, r'mf1\.feature: there is no feature "frequncy"; did you mean "frequency"'),
        ({"name": "bAP_att2"}, r"bAP_att2: is there twice"),
    ],
)
def test_objectives_that_are_none(changes: dict[str, object], message: str):
    table = [replace(o, **changes) if o.name == "mf1" else o for o in hay.OBJECTIVES]  # type: ignore[arg-type]
    with pytest.raises(StudyError, match=message):
        checked(table, "own")
    with pytest.raises(StudyError, match=r'means\.mf4: there is no such objective; did you mean "mf'):
        with_targets(hay.OBJECTIVES, {"mf4": 1.0})
