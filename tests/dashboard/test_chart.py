"""Geometry of the curve."""

from __future__ import annotations

import time

import pytest

from hpcsim.dashboard.chart import SIZE, draw

NOON = time.mktime((2026, 3, 4, 12, 0, 0, 0, 0, -1))


def test_there_is_no_chart_before_something_moved():
    assert draw([], NOON) is None
    assert draw([(NOON, 5)], NOON + 60) is None


def test_a_steady_pace_is_a_straight_line_to_the_right_edge():
    chart = draw([(NOON, 100), (NOON + 60, 200), (NOON + 120, 300)], NOON + 120)
    corners = [tuple(map(float, pair.split())) for pair in chart.line[1:].split(" L")]
    assert corners[0] == (0.0, float(SIZE))
    assert corners[1][0] == pytest.approx(SIZE / 2, abs=0.1)
    assert corners[1][1] == pytest.approx((corners[0][1] + corners[2][1]) / 2, abs=0.1)
    assert corners[-1][0] == SIZE
    assert chart.area.endswith("Z")


@pytest.mark.parametrize(("seconds", "texts"), [(120, ["12:01"]), (7200, ["12:30", "13:00", "13:30"]), (4 * 86400, 4)])
def test_times_are_round(seconds, texts):
    chart = draw([(NOON, 0), (NOON + seconds, 10)], NOON + seconds)
    found = [label.text for label in chart.times]
    assert len(found) == texts if isinstance(texts, int) else set(texts) <= set(found)
    assert len(found) <= 5
    assert all(0 < label.at < 100 for label in chart.times)


@pytest.mark.parametrize("high", [1, 2, 7, 99, 12_345, 15_000_000])
def test_counts_are_round_and_few(high):
    labels = draw([(NOON, 0), (NOON + 60, high)], NOON + 60).counts
    assert 1 <= len(labels) <= 4
    assert all(0 <= label.at < 100 for label in labels)
    numbers = [int(label.text.replace(",", "")) for label in labels]
    assert all(str(number).rstrip("0") in {"1", "2", "3", "4", "5", "6", "8", "15", ""} for number in numbers), numbers
