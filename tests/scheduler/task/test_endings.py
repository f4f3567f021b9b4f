"""However a model ends, its point is a row with the reason, and all others succeed."""

from __future__ import annotations

import os
import sys
import threading
import time

import pytest
from endings import DYING, HANGING, LEAVING, RAISING, ways

import hpcsim
from hpcsim import Output, Parameter, model
from hpcsim.collector.format.table import Table
from hpcsim.scheduler.executor import Listener
from hpcsim.scheduler.gather import gather
from hpcsim.scheduler.sweep import sweep
from hpcsim.scheduler.target import Target
from hpcsim.scheduler.task.supervisor import Task


def make(tmp_path, names, name="endings:ends", time=""):
    """A study with a point for each way to end."""
    resources = {"time": time} if time else None
    study = hpcsim.Study("ended", name, space={"how": names}, resources=resources)
    directory = study.directory(tmp_path / "run")
    directory.open(study.to_toml(), study.recipe, study.name)
    return study, directory


def rows(directory) -> dict[str, tuple[int, str]]:
    """Status and reason of each way to end."""
    with Table(directory.results) as table:
        columns = (table.array(name).tolist() for name in ("how", "status", "error"))
        return {how: (status, error) for how, status, error in zip(*columns, strict=True)}


def check(directory, names, status=0, group=None):
    """All points are there, and only those of a group have this status, with their reasons."""
    found = rows(directory)
    assert sorted(found) == sorted(names)
    assert {how for how, (kind, _) in found.items() if kind} == set(group or {})
    for how, (_, reason) in (group or {}).items():
        assert found[how][0] == status
        assert reason in found[how][1], how


@pytest.mark.parametrize("name", ["endings:ends", "endings:batch"])
@pytest.mark.parametrize("on", ["inline", "task"])
def test_every_exception_fails_its_point_alone(tmp_path, name, on):
    study, directory = make(tmp_path, ways(RAISING), name)
    if on == "inline":
        sweep(study, directory, Target("inline"))
    else:
        assert Task(directory, 0, len(study.design)).run() == 0
        gather(study, directory)
    check(directory, ways(RAISING), 1, RAISING)


def test_what_a_point_does_to_its_process_harms_no_other(tmp_path):
    study, directory = make(tmp_path, ways(LEAVING))
    assert Task(directory, 0, len(study.design)).run() == 0
    gather(study, directory)
    check(directory, ways(LEAVING))
    # a child that came back from the model's call simulates nothing, and none stays
    with Table(directory.results) as table:
        assert table.array("attempts").tolist() == [1] * len(ways(LEAVING))
    log = "".join(path.read_text() for path in directory.logs.iterdir())
    children = [int(line.split()[1]) for line in log.splitlines() if line.startswith("child ")]
    assert len(children) == 2
    deadline = time.monotonic() + 20
    while any(map(alive, children)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, children))


def test_what_a_point_does_to_this_process_is_put_back(tmp_path):
    names = [name for name in LEAVING if name not in ("thread", "child", "second", "stdout", "stderr", "descriptors")]
    study, directory = make(tmp_path, names)
    before = os.getcwd(), sys.getrecursionlimit(), sys.stdout
    sweep(study, directory, Target("inline"))
    assert (os.getcwd(), sys.getrecursionlimit(), sys.stdout) == before
    check(directory, names)


@pytest.mark.parametrize("name", ["endings:ends", "endings:batch"])
def test_every_death_of_the_process_is_that_of_one_point(tmp_path, name):
    study, directory = make(tmp_path, ways(DYING), name)
    assert Task(directory, 0, len(study.design)).run() == 0
    gather(study, directory)
    check(directory, ways(DYING), 2, DYING)


def test_a_time_limit_ends_what_hears_no_signal(tmp_path):
    study, directory = make(tmp_path, ways(HANGING), time="1 s")
    assert Task(directory, 0, len(study.design), time_limit=study.time_limit).run() == 0
    gather(study, directory)
    check(directory, ways(HANGING), 3, {how: (None, "longer than the limit of 1 s") for how in HANGING})


def test_a_real_interrupt_stops_and_is_no_failure(tmp_path):
    study, directory = make(tmp_path, ["fine", "hang"])
    timer = threading.Timer(1.0, os.kill, (os.getpid(), 2))
    timer.start()
    with pytest.raises(hpcsim.errors.Interrupted):
        sweep(study, directory, Target("inline"))
    assert rows(directory) == {"fine": (0, "")}


def test_a_worker_that_dies_before_its_first_point_blames_none(tmp_path, capsys):
    _, directory = make(tmp_path, ["fine", "well"])
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, os\nif 'hpcsim.scheduler.task.worker' in ' '.join(sys.orig_argv): os._exit(0)\n"
    )
    os.environ["PYTHONPATH"] += f"{os.pathsep}{tmp_path}"
    assert Task(directory, 0, 2).run() == 1
    assert "before the first point, with exit code 0" in capsys.readouterr().err
    assert not list(directory.shards.iterdir())


@pytest.mark.parametrize("n", [1, 5])
def test_a_killed_task_is_started_again(tmp_path, n):
    names = ["kill_task_once", *(f"fine_{i}" for i in range(n - 1))]
    study = hpcsim.Study("killed", "endings:ends", space={"how": names}, fixed={"where": str(tmp_path / "kills")})
    directory = study.directory(tmp_path / "run")
    heard = []
    sweep(study, directory, Target("local", workers=1), listener=Listener(progressed=lambda *counts: heard.append(counts)))
    check(directory, names)
    assert heard[-1] == (n, 0) and heard == sorted(heard)
    assert any("the task died of SIGKILL; what it had not" in path.read_text() for path in directory.logs.iterdir())


def test_a_task_that_is_always_killed_ends_the_sweep_with_what_was_finished(tmp_path):
    names = ["fine", "kill_task"]
    study = hpcsim.Study(
        "killed", "endings:ends", space={"how": names}, fixed={"where": str(tmp_path / "kills")}, resources={"task_size": 1}
    )
    directory = study.directory(tmp_path / "run")
    with pytest.raises(
        hpcsim.errors.HpcsimError, match=r"the task of points 1 to 2 died of SIGKILL; see .*\.log \(it was started 3 times\)"
    ):
        sweep(study, directory, Target("local", workers=1))
    assert len((tmp_path / "kills").read_text().splitlines()) == 3
    assert rows(directory) == {"fine": (0, "")}


def owned(**functions):
    """A model with some functions of its own."""
    declare = model("own.ends", parameters=[Parameter("x", 1.0)], outputs=[Output("y")], **functions)
    return declare(lambda point, context: {"y": 1.0})


def _leave(*arguments):
    sys.exit(3)


@pytest.mark.parametrize("on", ["inline", "local"])
@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("check", r"space: point 0: check of own.ends ended with SystemExit: 3 \(.*test_endings.py, line \d+\)"),
        ("coordinates", r"study.model: coordinates of own.ends ended with SystemExit: 3 \(.*test_endings.py, line \d+\)"),
        ("prepare", r"prepare of own.ends ended with SystemExit: 3 \(.*test_endings.py, line \d+\)"),
    ],
)
def test_other_functions_of_a_model_end_with_a_message(tmp_path, part, message, on):
    own = owned(**{part: _leave})
    with pytest.raises(hpcsim.errors.HpcsimError, match=message) as caught:
        study = hpcsim.Study("ended", own, space={"x": [1, 2]})
        sweep(study, study.directory(tmp_path / "run"), Target(on))
    assert caught.value.exit_code == 2


def test_a_check_that_ends_on_a_drawn_point_fails_that_point(tmp_path):
    def check(values):
        return sys.exit("too much") if values["x"] == 3 else ""

    own = owned(check=check)
    study = hpcsim.Study("ended", own, space={"x": {"choice": [1, 2, 3, 4]}}, design={"method": "random", "n": 40})
    directory = study.directory(tmp_path / "run")
    sweep(study, directory, Target("inline"))
    with Table(directory.results) as table:
        assert set(table.array("x")[table.array("status") == 1]) == {3.0}
        assert all("SystemExit: too much" in reason for reason in table.array("error")[table.array("status") == 1])


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
