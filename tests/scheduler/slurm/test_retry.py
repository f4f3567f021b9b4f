"""After the end of a submission: what runs again, with what, and what waits for the user."""

from __future__ import annotations

import pytest

import hpcsim
from hpcsim.collector.format.table import Table
from hpcsim.scheduler.gather import gather
from hpcsim.scheduler.plan import plan
from hpcsim.scheduler.prepare import prepare
from hpcsim.scheduler.queue.commands import Limits
from hpcsim.scheduler.queue.job_state import State
from hpcsim.scheduler.queue.paths import ArraySpec
from hpcsim.scheduler.site.site import Settings, Site
from hpcsim.scheduler.slurm.arrays import MEMORY_RETRIES, RETRIES
from hpcsim.scheduler.slurm.retry import classify, ending
from hpcsim.scheduler.slurm.submission import Sent, Submission, intersect, submissions, write_tasks
from hpcsim.scheduler.task.supervisor import Task


@pytest.fixture
def over(tmp_path):
    """A study of twelve points whose first three are finished, and a submission of three tasks of four points."""
    study = hpcsim.Study("a", "toys:noop", space={"a": {"linspace": [0, 1, 12]}})
    directory = study.directory(tmp_path / "run")
    prepare(study, directory)
    Task(directory, 0, 3).run()

    def make(*parts, rest=(), tasks=((0, 4), (4, 8), (8, 12))):
        folder = directory.path / "jobs" / "0001"
        write_tasks(folder / "tasks", tasks)
        sent = tuple(Sent(7 + number, part) for number, part in enumerate(parts))
        item = Submission(folder, 1, Settings(Site(name="s")), tmp_path, sent, collector=99, rest=rest)
        item.write()
        return item

    return study, directory, make


def test_each_end_has_its_consequence(over):
    study, directory, make = over
    item = make(ArraySpec(0, 3, memory=1000))
    states = [State(7, 0, 0, "TIMEOUT"), State(7, 1, 1, "OUT_OF_MEMORY"), State(7, 2, 2, "CANCELLED")]
    found = classify(study, directory, item, states, Limits())
    late, hungry = sorted(found.groups, key=lambda group: group.memory)
    assert (late.runs, late.memory, late.tries, late.memory_tries) == (((3, 4),), 1000, 1, 0)
    assert (hungry.runs, hungry.memory, hungry.tries, hungry.memory_tries) == (((4, 8),), 2000, 0, 1)
    assert found.words == "tasks 1 CANCELLED, 1 OUT_OF_MEMORY, 1 TIMEOUT; 4 points were cancelled"


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (State(1, 0, 0, "COMPLETED"), "done"),
        (State(1, 0, 0, "TIMEOUT"), "late"),
        (State(1, 0, 0, "DEADLINE"), "late"),
        # asked to stop a minute before the limit, the task wrote what it had
        (State(1, 0, 0, "FAILED", code=130), "late"),
        (State(1, 0, 0, "PREEMPTED"), "lost"),
        (State(1, 0, 0, "NODE_FAIL"), "lost"),
        (None, "lost"),
        (State(1, 0, 0, "OUT_OF_MEMORY", signal=125), "memory"),
        (State(1, 0, 0, "FAILED", code=137), "memory"),
        # somebody killed the task: no word of its own or of Slurm blames its memory
        (State(1, 0, 0, "FAILED", signal=9), "lost"),
        (State(1, 0, 0, "CANCELLED"), "cancelled"),
        (State(1, 0, 0, "CANCELLED", code=130), "cancelled"),
        (State(1, 0, 0, "FAILED", code=3), "failed"),
    ],
)
def test_ends_are_told_apart(state, kind):
    assert ending(state) == kind


def test_tries_have_an_end(over):
    study, directory, make = over
    item = make(ArraySpec(0, 3, tries=RETRIES))
    found = classify(study, directory, item, [State(7, 0, 2, "PREEMPTED")], Limits())
    assert not found.groups
    assert f"9 points are not finished after {RETRIES + 1} tries (PREEMPTED)" in found.words


def test_a_killed_task_blames_no_point(over):
    study, directory, make = over
    parts = [ArraySpec(0, 1, tries=RETRIES, memory_tries=MEMORY_RETRIES, last=True)]
    found = classify(study, directory, make(*parts, tasks=((5, 6),)), [State(7, 0, 0, "FAILED", signal=9)], Limits())
    assert not found.groups and (5, 6) in intersect(plan(study, directory).pending, [(5, 6)])
    assert f"1 points are not finished after {RETRIES + 1} tries (FAILED (killed by SIGKILL))" in found.words


def test_a_task_that_stopped_in_time_is_told_as_late(over):
    study, directory, make = over
    found = classify(study, directory, make(ArraySpec(0, 3)), [State(7, 0, 2, "FAILED", code=130)], Limits())
    assert found.words == "tasks 3 TIMEOUT (stopped in time)" and found.groups[0].tries == 1


def test_failed_tasks_wait_for_the_user(over):
    study, directory, make = over
    found = classify(study, directory, make(ArraySpec(0, 3)), [State(7, 0, 2, "FAILED", code=3)], Limits())
    assert not found.groups and "9 points are left by tasks that failed with exit code 3" in found.words


def test_the_rest_of_a_pilot_and_what_had_no_room_come_next(over):
    study, directory, make = over
    item = make(ArraySpec(0, 2, budget=60.0), rest=((8, 12),))
    [group] = classify(study, directory, item, [State(7, 0, 1, "COMPLETED")], Limits()).groups
    assert group.runs == ((3, 4), (4, 8), (8, 12)) and group.tries == 0


def test_memory_grows_from_what_slurm_gives(over):
    study, directory, make = over
    states = [State(7, 0, 2, "OUT_OF_MEMORY")]
    assert classify(study, directory, make(ArraySpec(0, 3)), states, Limits(memory=400)).groups[0].memory == 800


def test_a_point_that_ends_whole_jobs_is_recorded_as_failed(over):
    study, directory, make = over
    parts = [ArraySpec(0, 1, memory=4000, memory_tries=MEMORY_RETRIES, last=True)]
    item = make(*parts, tasks=((5, 6),))
    found = classify(study, directory, item, [State(7, 0, 0, "OUT_OF_MEMORY")], Limits())
    assert not found.groups
    gather(study, directory)
    with Table(directory.results) as table:
        [row] = [row for row in range(len(table)) if table.array("status")[row]]
        assert "ran out of memory with 4000 MB; Slurm ended its job" in table.array("error")[row]
        assert round(11 * table.array("a")[row]) == 5


def test_a_record_comes_back(over):
    _, directory, make = over
    item = make(ArraySpec(0, 2, seconds=300.0), ArraySpec(2, 1, memory=5), rest=((8, 12),))
    [read] = submissions(directory)
    assert read == item
    assert read.slices(read.sent[1]) == [(8, 12)]
    assert submissions(directory)[0].closed("over and out").over == "over and out"
    assert submissions(directory)[0].over == "over and out"
