"""Rates from counts that grow in heaps, stand still, and fall."""

from __future__ import annotations

import pytest

from hpcsim.dashboard.history import STILL, WINDOW, History


def filled(samples, least=0.0):
    history = History(least)
    for at, done in samples:
        history.add(at, done)
    return history


def test_nothing_is_known_before_two_arrivals():
    assert filled([(0, 100)]).rate(10) is None
    assert filled([(0, 100), (5, 100), (10, 110)]).rate(10) is None
    assert filled([(0, 100), (10, 110), (20, 130)]).rate(20) == 2.0


def test_points_that_were_finished_before_do_not_count():
    """The page's server starts in the middle of a sweep."""
    assert filled([(0, 5000), (7, 5040), (67, 5100), (127, 5160)]).rate(127) == 1.0


def test_a_rate_needs_some_time():
    history = filled([(0, 0), (60, 10), (61, 20)], least=30)
    assert history.rate(61) is None
    history.add(120, 30)
    assert history.rate(120) == pytest.approx(20 / 60)


def test_a_heap_that_is_overdue_lowers_the_rate():
    history = filled([(0, 0), (10, 10), (20, 20), (30, 30)])
    assert history.rate(45) == 1.0
    assert history.rate(60) == pytest.approx(20 / 50)


def test_a_sweep_that_stopped_has_no_rate_and_is_measured_anew_when_it_goes_on():
    history = filled([(0, 0), (10, 10), (20, 20), (30, 30)])
    assert history.still(30 + STILL - 1) is None
    late = 30 + STILL + 1
    assert history.still(late) == STILL + 1
    assert history.rate(late) is None
    # a night later, on a faster machine
    for at, done in ((40_000, 35), (40_010, 85), (40_020, 135)):
        history.add(at, done)
        assert history.still(at) is None
    assert history.rate(40_020) == 5.0


def test_slow_points_are_not_taken_for_a_stop():
    history = filled([(0, 0), (600, 1), (1200, 2), (1800, 3)])
    assert history.still(3600) is None
    assert history.rate(1800) == pytest.approx(1 / 600)


def test_points_that_were_lost_begin_a_new_measurement():
    history = filled([(0, 0), (10, 10), (20, 20), (30, 5)])
    assert history.rate(30) is None
    history.add(40, 15)
    assert history.rate(40) == 1.0


def test_the_rate_follows_the_last_quarter_of_an_hour():
    samples = [(float(at), at) for at in range(0, 1000, 10)]
    samples += [(1000 + at, 1000 + 3 * at) for at in range(0, int(WINDOW) + 20, 10)]
    assert filled(samples).rate(1000 + WINDOW + 10) == pytest.approx(3.0)


def test_the_curve_is_short_and_keeps_its_ends_and_level_stretches():
    assert filled([(0, 0), (10, 0), (20, 0), (30, 5), (40, 5)]).curve() == [(0, 0), (20, 0), (30, 5)]
    curve = filled([(float(at), at) for at in range(100_000)]).curve()
    assert len(curve) <= 400
    assert (curve[0], curve[-1]) == ((0.0, 0), (99_999.0, 99_999))
    assert [done for _, done in curve] == sorted(done for _, done in curve)
