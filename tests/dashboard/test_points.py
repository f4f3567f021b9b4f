"""How many points are finished, whoever simulates them."""

from __future__ import annotations

import pytest
from half_study import EVIL, Half

from hpcsim.dashboard.live import Live
from hpcsim.dashboard.points import Failure, Points
from hpcsim.scheduler.executor import Listener
from hpcsim.scheduler.gather import gather
from hpcsim.scheduler.plan import plan


def test_points_of_shards_and_results_with_the_reasons_of_failures(half):
    points = Points(half.study, half.directory)
    count = points.count()
    assert (count.total, count.done, count.failed, count.left) == (20, 10, 1, 10)
    assert count.failures == (Failure(1, "failed", f"ValueError: {EVIL}"),)
    assert (count.reasons, count.other) == (1, 0)
    half.simulate(10, 14)
    assert points.count().done == 14
    gather(half.study, half.directory)
    assert points.count().done == 14


def test_an_empty_directory_has_nothing(tmp_path):
    made = Half(tmp_path)
    assert Points(made.study, made.directory).count().done == 0
    count = Points(made.study, made.study.directory(tmp_path / "nowhere")).count()
    assert (count.total, count.done) == (20, 0)


def test_points_that_the_design_has_no_more_do_not_count(half, tmp_path):
    half.simulate(10, 20)
    gather(half.study, half.directory)
    shorter = Half(tmp_path, 5)
    longer = Half(tmp_path, 30)
    assert Points(shorter.study, shorter.directory).count().done == 5
    points = Points(longer.study, longer.directory)
    assert points.count().done == 20
    longer.simulate(20, 23)
    assert points.count().done == 23


def test_the_design_is_compared_only_once(half, monkeypatch):
    calls = []
    monkeypatch.setattr("hpcsim.dashboard.points.plan", lambda *given: calls.append(1) or plan(*given))
    points = Points(half.study, half.directory)
    points.count()
    half.simulate(10, 12)
    points.count()
    gather(half.study, half.directory)
    assert points.count().done == 12
    assert len(calls) == 1


def test_rows_that_vanish_are_compared_anew(half):
    """Failed points that are tried again have two rows, until they are collected."""
    points = Points(half.study, half.directory)
    gather(half.study, half.directory)
    points.count()
    # another seed of bad luck: the same points again, as a second process would leave them
    half.simulate(0, 10, retry_failed=True)
    half.simulate(10, 13)
    gather(half.study, half.directory)
    assert points.count().done == plan(half.study, half.directory).done == 13


@pytest.fixture
def heard(half):
    """What a sweep says, and the count that hears it."""
    live = Live()
    return live.listener(Listener()), Points(half.study, half.directory, live), half


def test_a_sweep_in_this_process_is_heard_before_its_points_are_in_shards(heard):
    listener, points, half = heard
    listener.started(half.study, plan(half.study, half.directory))
    assert points.count().done == 10
    listener.tasked(2, 0)
    listener.progressed(5, 2)
    count = points.count()
    assert (count.done, count.failed) == (15, 3)
    listener.progressed(10, 2)
    assert points.count().left == 0


def test_points_of_another_study_are_not_taken_for_those_of_this_one(heard, tmp_path):
    listener, points, _ = heard
    needed = Half(tmp_path / "other", 3).study
    needed.name = "needed"
    listener.started(needed, plan(needed, needed.directory(tmp_path / "needed")))
    listener.tasked(1, 0)
    listener.progressed(3, 0)
    assert points.count().done == 10


def test_failed_points_that_are_tried_again_are_left_again(half):
    live = Live()
    points = Points(half.study, half.directory, live, retry_failed=True)
    listener = live.listener(Listener())
    listener.started(half.study, plan(half.study, half.directory, retry_failed=True))
    listener.tasked(1, 0)
    count = points.count()
    assert (count.done, count.failed) == (9, 0)
    listener.progressed(4, 1)
    assert (points.count().done, points.count().failed) == (13, 1)
