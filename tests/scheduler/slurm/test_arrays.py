"""Pending points into tasks that last minutes, and tasks into arrays that Slurm takes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcsim.scheduler.queue.commands import Limits
from hpcsim.scheduler.site.site import Settings, Site
from hpcsim.scheduler.slurm.arrays import MEMORY_RETRIES, MOST_PARTS, RetryGroup, cut, make_array_batch
from hpcsim.scheduler.slurm.submission import intersect, points_in, subtract
from hpcsim.scheduler.state.measured import Measured

ALONE = Settings(Site(name="s"))
LIMITS = Limits(max_array=1001)
TEN_SECONDS = Measured(100, 10.0, 20.0, 500.0)


def round_of(points, settings=ALONE, limits=LIMITS, measured=TEN_SECONDS, batch=1, **group):
    runs = ((0, points),)
    return make_array_batch([RetryGroup(runs, **group)], settings, limits, measured, pending=runs, batch=batch)


def test_a_task_lasts_minutes_and_asks_for_time_with_a_margin():
    made = round_of(10_000)
    assert {stop - start for start, stop in made.tasks} == {30, 10}
    [part] = made.parts
    # 30 points of 10 s: 300 s, half as much again, two of the longest, the start and Slurm's warning
    assert part.seconds == pytest.approx(120 + 60 + 1.5 * 300 + 2 * 20)
    assert part.budget is None and not part.last
    assert made.hours == pytest.approx(10_000 * 10 / 3600)


def test_no_arrays_are_too_long_and_all_start_at_zero():
    made = round_of(10_000, limits=Limits(max_array=101))
    assert [(part.first, part.count) for part in made.parts] == [(0, 101), (101, 101), (202, 101), (303, 31)]
    assert len(made.tasks) == 334 and not made.rest


def test_ten_thousand_points_take_at_most_ten_calls():
    for settings in (ALONE, replace(ALONE, task_size=1)):
        made = round_of(
            10_000, settings=settings, limits=Limits(max_array=1001), measured=None if settings is ALONE else TEN_SECONDS
        )
        # one more to look, and one for the collector
        assert len(made.parts) + 2 <= 10


def test_what_slurm_does_not_take_now_is_left_for_the_next_round():
    made = round_of(10_000, settings=replace(ALONE, task_size=10), limits=Limits(max_array=1001, max_submit=102))
    assert len(made.tasks) == 100 and made.points == 1000
    assert made.rest and points_in(made.rest) == 9000


def test_tasks_grow_rather_than_flood_the_queue():
    made = round_of(10_000, limits=Limits(max_array=1001, max_submit=102))
    assert len(made.tasks) == 100 and not made.rest
    # but no longer than a job may last
    short = round_of(10_000, settings=replace(ALONE, max_time=1200.0), limits=Limits(max_array=1001, max_submit=102))
    assert max(stop - start for start, stop in short.tasks) == (1200 - 180 - 40) // 15
    assert all(part.seconds <= 1200 for part in short.parts) and short.rest


def test_without_a_measurement_there_is_a_pilot():
    made = round_of(10_000, measured=None)
    assert made.pilot and len(made.tasks) == 8 and made.hours is None
    assert round_of(40, measured=None).tasks == ((0, 40),)
    # it may take a point of the longest time
    [part] = round_of(100, settings=replace(ALONE, point_time=1000.0), measured=None).parts
    assert part.seconds == 120 + 60 + 60 + 1000


def test_tries_ask_for_more_time_and_smaller_tasks():
    first, second = round_of(1000).parts[0], round_of(1000, tries=1).parts[0]
    assert (first.tries, second.tries) == (0, 1)
    assert round_of(1000, tries=1).tasks[0] == (0, 8)
    assert second.seconds > 120 + 60 + 1.5 * 80


def test_the_last_memory_is_for_one_point_at_a_time():
    made = round_of(5, memory=4096, memory_tries=MEMORY_RETRIES)
    assert len(made.tasks) == 5 and made.parts[0].last and made.parts[0].memory == 4096


def test_batches_stay_whole():
    made = round_of(10_000, batch=8)
    assert {(stop - start) % 8 for start, stop in made.tasks[:-1]} == {0}


def test_parts_are_few_where_arrays_are_short():
    made = round_of(1000, settings=replace(ALONE, task_size=1), limits=Limits(max_array=10))
    assert len(made.parts) == MOST_PARTS and len(made.tasks) == 10 * MOST_PARTS


RUNS = st.lists(st.integers(1, 30), min_size=2, max_size=20).map(
    lambda steps: [(sum(steps[: 2 * k + 1]), sum(steps[: 2 * k + 2])) for k in range(len(steps) // 2)]
)


@given(RUNS, st.integers(1, 40), st.data())
def test_cutting_loses_no_point_and_spans_no_foreign_one(pending, size, data):
    chosen = [run for run in pending if data.draw(st.booleans())]
    tasks = cut(chosen, size, pending)
    assert sum(map(points_in, tasks)) == points_in(chosen)
    assert all(points_in(task) <= size for task in tasks)
    foreign = subtract(pending, chosen)
    for task in tasks:
        assert not intersect(foreign, [(task[0][0], task[-1][1])])
    # every task but the last before a foreign point is full
    if chosen == pending:
        assert all(points_in(task) == size for task in tasks[:-1])


@given(RUNS, RUNS)
def test_overlap_and_rest_make_the_whole(runs, slices):
    numbers = {point for start, stop in runs for point in range(start, stop)}
    theirs = {point for start, stop in slices for point in range(start, stop)}
    assert {point for start, stop in intersect(runs, slices) for point in range(start, stop)} == numbers & theirs
    assert {point for start, stop in subtract(runs, slices) for point in range(start, stop)} == numbers - theirs
