"""A search on Slurm: each collector takes in what landed, and submits more; there is no other process."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
from filelock import FileLock
from memory_queue import KILLED, MemoryQueue
from scheduler.test_search_feed import arrived, events, make, same, suggested

import hpcsim
from hpcsim import lock
from hpcsim.collector.format.table import Table
from hpcsim.errors import BusyError, StudyError
from hpcsim.scheduler.executor import Listener
from hpcsim.scheduler.gather import gather
from hpcsim.scheduler.search.driver import driving
from hpcsim.scheduler.site.site import Overrides, Settings, Site
from hpcsim.scheduler.slurm import collector_job, executor, search
from hpcsim.scheduler.slurm.arrays import RETRIES
from hpcsim.scheduler.slurm.executor import cancel, draft, start
from hpcsim.scheduler.slurm.submission import open_submissions, submissions
from hpcsim.scheduler.state.check import check
from hpcsim.scheduler.sweep import sweep
from hpcsim.scheduler.target import Target

#: Four tasks at a time, in four submissions.
FOUR = Target("slurm", workers=4)


def submit(path, queue=None, target=FOUR, **options):
    """Submit a search; returns the queue and the directory."""
    study = make(**{"evaluations": 5, **options})
    directory, queue = study.directory(path), queue or MemoryQueue()
    start(study, directory, queue, target)
    return queue, directory


def finish(queue, directory, choose=min, most=100):
    """Run and collect one submission after the other until there is none, and gather all."""
    said = []
    while (waiting := queue.waiting(directory)) and len(said) < most:
        number = choose(waiting)
        queue.run(directory, number)
        said += queue.collect(directory, number)
    gather(hpcsim.Study.load(directory.path), directory)
    return said


def test_it_runs_to_its_budget_and_is_a_study_like_any_other(tmp_path):
    queue, directory = submit(tmp_path / "run")
    # four points at a time, each a task that is collected on its own
    assert len(suggested(directory.path)) == 4 and [len(item.tasks) for item in submissions(directory)] == [1] * 4
    said = finish(queue, directory, choose=max)
    study = hpcsim.Study.load(directory.path)
    assert len(suggested(directory.path)) == len(study.design) == 5
    assert check(study, directory).ok
    assert all(item.over for item in submissions(directory))
    assert "submission 5 goes on" in said[0] and "the search has 5 points: the budget of 5" in said[-1]
    # the last one that was submitted is run first: the order in which they were collected is in the log
    order = [row[0] for row in arrived(directory.path)]
    assert order[0] == 3 and sorted(order) == list(range(5))
    # nothing is left to do
    assert start(study, directory, queue, FOUR) is None


def test_with_the_order_of_suggestion_it_gives_the_same_as_anywhere(tmp_path):
    options = {"order": "suggestion", "ahead": 4, "evaluations": 6}
    make(**options).run("inline", tmp_path / "whole")
    queue, directory = submit(tmp_path / "run", **options)
    finish(queue, directory, max)
    same(directory.path, tmp_path / "whole")


def test_it_stops_when_enough_are_accepted_and_a_raised_budget_goes_on(tmp_path):
    queue, directory = submit(tmp_path / "run", evaluations=60, cutoffs={"near": 6.0}, accepted=2)
    finish(queue, directory)
    n = len(suggested(directory.path))
    assert 2 <= make(cutoffs={"near": 6.0}).search.spent(directory.path).accepted <= 5 and n < 60
    submit(directory.path, queue, evaluations=n + 3, cutoffs={"near": 6.0})
    finish(queue, directory)
    assert len(suggested(directory.path)) == n + 3


@pytest.mark.parametrize("end", ["PREEMPTED", "OUT_OF_MEMORY"])
def test_a_generation_is_one_array_and_a_task_that_slurm_ends_runs_again(tmp_path, end):
    options = {"use": "nsga2", "evaluations": 12}
    queue, directory = submit(tmp_path / "run", **options)
    queue.run(directory, 1, task_2=end)
    [said] = queue.collect(directory, 1)
    assert "submission 2 goes on" in said and len(suggested(directory.path)) == 6, "a generation waits for its last point"
    finish(queue, directory)
    assert [len(item.tasks) for item in submissions(directory)] == [6, 1, 6] and submissions(directory)[1].tasks == [(2, 3)]
    make(**options).run("inline", tmp_path / "whole")
    same(directory.path, tmp_path / "whole")


def test_a_task_that_is_killed_again_and_again_fails_no_point(tmp_path):
    """Its point runs again, then waits for the user; the search then is the one that nobody disturbed."""
    options = {"order": "suggestion", "ahead": 4, "evaluations": 6}
    queue, directory = submit(tmp_path / "run", **options)
    number = 1
    for kill in range(RETRIES + 1):
        queue.run(directory, number, task_0=KILLED)
        [said] = queue.collect(directory, number)
        assert ("waits for these" in said) == (kill == RETRIES)
        number = max(queue.waiting(directory))
    assert "not finished after 4 tries (FAILED (killed by SIGKILL))" in said
    assert [item.tasks for item in submissions(directory)[4:]] == [[(0, 1)]] * RETRIES
    finish(queue, directory)
    submit(directory.path, queue, **options)
    finish(queue, directory)
    make(**options).run("inline", tmp_path / "whole")
    same(directory.path, tmp_path / "whole")


def test_cancelled_points_hold_the_search_until_the_user_goes_on(tmp_path):
    queue, directory = submit(tmp_path / "run", order="suggestion", ahead=4)
    queue.run(directory, 1, task_0="CANCELLED")
    [said] = queue.collect(directory, 1)
    assert "1 points were cancelled; the search waits for these" in said
    finish(queue, directory)
    assert len(suggested(directory.path)) == 4 and not queue.waiting(directory)
    submit(directory.path, queue, order="suggestion", ahead=4)
    finish(queue, directory)
    make(order="suggestion", ahead=4, evaluations=5).run("inline", tmp_path / "whole")
    same(directory.path, tmp_path / "whole")


def test_cancel_ends_the_search_and_resume_goes_on(tmp_path):
    queue, directory = submit(tmp_path / "run")
    queue.run(directory, 1)
    cancel(directory, queue)
    # its collector was about to begin
    assert queue.collect(directory, 1) == [] and len(suggested(directory.path)) == 4
    submit(directory.path, queue)
    assert len(arrived(directory.path)) == 1 and len(suggested(directory.path)) == 5
    finish(queue, directory)
    assert len(suggested(directory.path)) == len(arrived(directory.path)) == 5


class Killed(BaseException):
    """In place of a SIGKILL."""


@pytest.mark.parametrize(
    ("where", "by"), [("suggested", "another collector"), ("suggested", "the user"), ("submitted", "the user")]
)
def test_a_collector_that_is_killed_loses_nothing(tmp_path, monkeypatch, where, by):
    queue, directory = submit(tmp_path / "run")

    def die(*args):
        if where == "submitted":
            real(*args)
        raise Killed

    real = search.submit_prepared
    monkeypatch.setattr(search, "submit_prepared", die)
    queue.run(directory, 1)
    with pytest.raises(Killed):
        queue.collect(directory, 1)
    monkeypatch.undo()
    queue.state[submissions(directory)[0].collector, None] = "FAILED"
    assert len(suggested(directory.path)) == 5 and len(submissions(directory)) == (4 if where == "suggested" else 5)
    if by == "the user":
        submit(directory.path, queue)
        assert queue.waiting(directory) == [2, 3, 4, 5]
        assert [item.number for item in open_submissions(directory)] == [2, 3, 4, 5]
    finish(queue, directory)
    assert len(suggested(directory.path)) == 5 and check(hpcsim.Study.load(directory.path), directory).ok
    assert sum(map(len, events(directory.path, "ingest"))) == 5
    with Table(directory.results) as table:
        assert set(table.array("attempts")) == {1}


def test_the_last_collector_is_lost_and_its_submission_does_not_stay_open(tmp_path):
    queue, directory = submit(tmp_path / "run")
    finish(queue, directory, most=4)
    queue.run(directory, 5)
    queue.state[submissions(directory)[4].collector, None] = "NODE_FAIL"
    assert len(suggested(directory.path)) == 5 and len(arrived(directory.path)) == 4
    assert start(make(evaluations=5), directory, queue, FOUR) is None
    assert len(arrived(directory.path)) == 5 and open_submissions(directory) == []


@pytest.mark.parametrize(("lost", "collected"), [("NODE_FAIL", True), ("CANCELLED", False)])
def test_a_run_on_slurm_takes_in_what_the_last_collector_did_not(tmp_path, monkeypatch, lost, collected):
    queue, directory = submit(tmp_path / "run")
    finish(queue, directory, most=4)
    queue.run(directory, 5)
    if lost == "CANCELLED":
        cancel(directory, queue)
    queue.state[submissions(directory)[4].collector, None] = lost
    if collected:
        gather(hpcsim.Study.load(directory.path), directory)
    monkeypatch.setattr(executor, "Slurm", lambda notify: queue)
    assert sweep(make(evaluations=5), directory, FOUR).left == 0 and len(submissions(directory)) == 5
    assert len(arrived(directory.path)) == 5 and open_submissions(directory) == []
    # nothing is asked of Slurm when all is told
    monkeypatch.setattr(executor, "Slurm", None)
    sweep(make(evaluations=5), directory, FOUR)


def test_a_collector_waits_as_long_as_a_step_may_take(tmp_path, monkeypatch):
    waits = []

    def hold(path, what, wait=0.0):
        waits.append((path.name, wait))
        return lock.hold(path, what, wait)

    def file_lock(path, timeout):
        waits.append((path.name, timeout))
        return FileLock(path, timeout=timeout)

    queue, directory = submit(tmp_path / "run")
    queue.run(directory, 1)
    monkeypatch.setattr(collector_job, "Slurm", lambda notify: queue)
    monkeypatch.setattr(executor, "FileLock", file_lock)
    # the package has a function of that name
    monkeypatch.setattr(import_module("hpcsim.collector.collect"), "hold", hold)
    assert collector_job.collect_and_go_on(hpcsim.Study.load(directory.path), directory, Listener())
    assert queue.waiting(directory) == [2, 3, 4, 5]
    assert {name for name, _ in waits} == {".lock", ".collect.run"}
    # a step that waits for one that died, and then works
    assert min(seconds for _, seconds in waits) > 2 * lock.DEAD_AFTER


def test_a_process_that_stays_has_the_search_to_itself(tmp_path):
    queue, directory = submit(tmp_path / "run")
    queue.run(directory, 1)
    with driving(directory, "a search on local"):
        [said] = queue.collect(directory, 1)
        with pytest.raises(BusyError, match="a search on local"):
            start(make(evaluations=5), directory, queue, FOUR)
    assert "a search on local" in said and "goes on with the search" in said and len(arrived(directory.path)) == 0
    # which was stopped: the other collectors see to it
    finish(queue, directory, most=1)
    assert len(suggested(directory.path)) == 5 and len(arrived(directory.path)) == 2


def test_time_in_the_queue_counts_and_time_without_jobs_does_not(tmp_path, monkeypatch):
    options = {"evaluations": 60, "wall_hours": 1.0}
    queue, directory = submit(tmp_path / "run", **options)
    now = [0.0]
    real = hpcsim.samplers.search.time.time
    monkeypatch.setattr(hpcsim.samplers.search.time, "time", lambda: real() + now[0])
    finish(queue, directory, most=2)
    now[0] += 1000
    finish(queue, directory, most=1)
    cancel(directory, queue)
    now[0] += 10**5
    submit(directory.path, queue, **options)
    assert make(**options).search.spent(directory.path).wall_hours == pytest.approx(1000 / 3600, abs=0.02)
    now[0] += 2601
    finish(queue, directory)
    assert len(suggested(directory.path)) == 7 and len(arrived(directory.path)) == 7


def test_what_cannot_be_is_told(tmp_path):
    with pytest.raises(StudyError, match="failed points were told to the sampler"):
        start(make(), make().directory(tmp_path / "run"), MemoryQueue(), FOUR, retry_failed=True)
    queue, directory = submit(tmp_path / "seeds", use="walk", start=[{"x": 0.5, "y": 0.0}], cutoffs={"near": 0.1})
    queue.run(directory, 1)
    with pytest.raises(StudyError, match="the seed point fails its own cutoffs"):
        queue.collect(directory, 1)
    assert "the search cannot go on" in submissions(directory)[0].over


def test_tasks_of_several_points(tmp_path):
    target = Target("slurm", workers=2, overrides=Overrides(task_size=3))
    queue, directory = submit(tmp_path / "run", target=target, more={"replicates": 2}, evaluations=9)
    assert [item.tasks for item in submissions(directory)] == [[(0, 6)], [(6, 12)]]
    finish(queue, directory)
    with Table(directory.results) as table:
        assert len(table) == 18
    np.testing.assert_array_equal(sorted(row[0] for row in arrived(directory.path)), range(9))


@pytest.mark.parametrize("task_size", [None, 2])
def test_with_replicates_as_many_points_stay_in_the_queue(tmp_path, task_size):
    target = Target("slurm", workers=4, overrides=Overrides(task_size=task_size))
    queue, directory = submit(tmp_path / "run", target=target, more={"replicates": 2}, evaluations=40)
    size = task_size or 1
    for step in range(4):
        assert len(suggested(directory.path)) - len(arrived(directory.path)) == 4 * size
        assert {stop - start for item in submissions(directory) for start, stop in item.tasks} == {2 * size}
        # a task that runs again is not larger either
        number = min(queue.waiting(directory))
        queue.run(directory, number, **({"task_0": "PREEMPTED"} if step == 1 else {}))
        queue.collect(directory, number)


def test_what_would_be_submitted_is_shown_before_anybody_suggests(tmp_path, command, monkeypatch):
    made = draft(make(evaluations=6), make().directory(tmp_path / "run"), Settings(Site(name="s"), throttle=4), MemoryQueue())
    assert made.array_batch.points == 4 and len(made.array_batch.tasks) == 4 and not (tmp_path / "run").exists()
    queue, directory = submit(tmp_path / "run", cutoffs={"near": 4.0})
    queue.run(directory, 1)
    queue.collect(directory, 1)
    told = command("status", directory.path).stdout
    assert "search: 5 points suggested, " in told and "the budget of 5 evaluations is used up" in told
