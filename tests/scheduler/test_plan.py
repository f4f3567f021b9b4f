"""Plans: what is left, and how it is cut into tasks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hpcsim
from hpcsim.collector.format import table
from hpcsim.scheduler.gather import gather
from hpcsim.scheduler.plan import Slices, plan
from hpcsim.scheduler.task.supervisor import Task

runs = st.lists(st.integers(1, 3000), min_size=1, max_size=8).map(
    lambda widths: [(sum(widths[:k]) + 10 * k, sum(widths[: k + 1]) + 10 * k) for k in range(len(widths))]
)
costs = st.lists(st.one_of(st.none(), st.floats(1e-6, 1e4)), min_size=1, max_size=20)


@given(runs, st.integers(1, 64), costs, st.one_of(st.none(), st.integers(1, 500)), st.integers(1, 2000))
def test_every_pending_point_is_in_exactly_one_task(pending, workers, seconds, size, batch):
    slices = Slices(pending, workers, size, batch)
    taken, number = [], 0
    while (task := slices.take(seconds[number % len(seconds)])) is not None:
        taken.append(task)
        number += 1
    points = [index for start, stop in taken for index in range(start, stop)]
    assert points == [index for start, stop in pending for index in range(start, stop)]
    if size:
        assert max(stop - start for start, stop in taken) <= size


def test_tasks_of_slow_points_get_small_towards_the_end():
    slices, sizes = Slices([(0, 50)], workers=2), []
    while task := slices.take(130.0):
        sizes.append(task[1] - task[0])
    assert sizes[0] > 1 and sizes[-1] == 1
    assert sizes == sorted(sizes, reverse=True)


def test_tasks_of_fast_points_are_worth_a_process():
    slices = Slices([(0, 100_000)], workers=2)
    first = slices.take()
    assert first == (0, 16)
    start, stop = slices.take(1e-4)
    assert stop - start >= 10_000


def test_points_that_take_no_time_are_one_more_task_a_worker():
    slices = Slices([(0, 12)], workers=2)
    pilots = [slices.take(), slices.take()]
    assert pilots == [(0, 1), (1, 2)]
    assert [slices.take(1e-6), slices.take(1e-6), slices.take(1e-6)] == [(2, 7), (7, 12), None]


def test_tasks_hold_whole_batches_while_there_are_enough_points():
    slices, sizes = Slices([(0, 100_000)], workers=2, batch=1000), []
    while task := slices.take(1e-4 if sizes else None):
        sizes.append(task[1] - task[0])
    assert sizes[0] == 1000
    assert all(size % 1000 == 0 for size in sizes[:-2])


def test_what_is_pending_is_read_from_shards_and_results(tmp_path):
    study = hpcsim.Study("s", "toys:noop", space={"a": {"linspace": [0, 1, 20]}})
    directory = study.directory(tmp_path / "run")
    directory.open(study.to_toml(), study.recipe, study.name)
    assert plan(study, directory).pending == ((0, 20),)
    Task(directory, 5, 8).run()
    gather(study, directory)
    Task(directory, 12, 20).run()
    left = plan(study, directory)
    assert (left.done, left.left, left.pending) == (11, 9, ((0, 5), (8, 12)))


@pytest.mark.parametrize("first", [True, False])
def test_points_that_are_collected_meanwhile_are_not_pending(first, tmp_path, monkeypatch):
    study = hpcsim.Study("s", "toys:noop", space={"a": {"linspace": [0, 1, 20]}})
    directory = study.directory(tmp_path / "run")
    directory.open(study.to_toml(), study.recipe, study.name)
    Task(directory, 0, 8).run()
    if not first:
        gather(study, directory)
    Task(directory, 8, 14).run()
    Task(directory, 14, 17).run()

    def look(*args, **options):
        # another process publishes the results between two looks of this one
        found = real(*args, **options)
        monkeypatch.undo()
        gather(study, directory)
        return found

    real = table.Table
    monkeypatch.setattr(table, "Table", look)
    assert plan(study, directory).pending == ((17, 20),)
    assert not list(directory.shards.glob("*.h5"))
