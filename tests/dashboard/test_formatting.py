"""Figures as people read them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hpcsim.dashboard.formatting import duration, folder, moment, percent
from hpcsim.representation import rate


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12345.0, "12,345 points/s"),
        (9.96, "10 points/s"),
        (1.0, "1.0 points/s"),
        (0.2, "12 points/min"),
        (1 / 60, "1.0 points/min"),
        (0.01, "36 points/h"),
        (0.0001, "0.4 points/h"),
    ],
)
def test_a_rate_has_a_digit_before_its_point(value, text):
    assert rate(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (3599.0, "1 h 0 min"),
        (3 * 3600 + 125.0, "3 h 2 min"),
        (86399.0, "1 d 0 h"),
        (200_000.0, "2 d 8 h"),
        (1e8, "1,157 d"),
    ],
)
def test_a_duration_has_two_units(seconds, text):
    assert duration(seconds) == text


def test_all_is_done_only_at_the_end():
    assert percent(199, 200) == "99 %"
    assert percent(9_999_999, 10_000_000) == "99.9 %"
    assert percent(10_000_000, 10_000_000) == percent(0, 0) == "100 %"


def test_a_moment_names_its_day_where_it_is_another():
    now = time.mktime((2026, 3, 4, 12, 0, 0, 0, 0, -1))
    assert moment(now + 3600, now) == "13:00"
    assert moment(now + 86400, now) == "Thu 12:00"
    assert moment(now + 20 * 86400, now).startswith("24 Mar")
    assert moment(now + 400 * 86400, now) == "08 Apr 2027"


def test_the_home_of_the_user_is_short(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    assert folder(Path("/home/somebody/runs/drive")) == "~/runs/drive"
    assert folder(Path("/home/somebody")) == "/home/somebody"
    assert folder(Path("/home/somebody-else/runs")) == "/home/somebody-else/runs"
