"""Which points failed and why: in the status, at the end of a run, and in the logs."""

from __future__ import annotations

import pytest

import hpcsim
from hpcsim.errors import ResultsError
from hpcsim.scheduler.gather import gather
from hpcsim.scheduler.log.reason import alike
from hpcsim.scheduler.state.failures import failed_points, grouped
from hpcsim.scheduler.state.logbook import log_entry
from hpcsim.scheduler.state.row_count import RowCounter
from hpcsim.scheduler.task.supervisor import Task

STUDY = '[study]\nname = "talk"\nmodel = "endings:talks"\n[space]\nk = { linspace = [%s] }\n'


def simulated(tmp_path, n=12, how=""):
    study = hpcsim.Study("talk", "endings:talks", space={"k": list(range(n))}, fixed={"how": how})
    directory = study.directory(tmp_path / "run")
    directory.open(study.to_toml(), study.recipe, study.name)
    assert Task(directory, 0, n).run() == 0
    gather(study, directory)
    return study, directory


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("OSError: /tmp/tmpab12/x.dat is gone", "OSError: /scratch/9/y.dat is gone"),
        ("No such file: '/tmp/a b/x.dat'", "No such file: '/tmp/c d/y.dat'"),
        ("object at 0x7f3a2b is dead", "object at 0x7f0000 is dead"),
        ("pid 812 of seed 12345678901234 with dt 0.1", "pid 9 of seed 3 with dt 1e-05"),
        ("file tmpx8z_k1q2 and run 9f86d081884c7d65", "file tmp00abcdef and run 0a1b2c3d4e5f6789"),
        ("no channel -3", "no channel 4"),
    ],
)
def test_reasons_that_differ_in_numbers_and_paths_are_alike(one, other):
    assert alike(one) == alike(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("the process died of SIGSEGV", "the process died of SIGKILL"),
        ("the process ended with exit code 3", "the process ended with exit code 4"),
        ("[Errno 28] No space left", "[Errno 2] No such file"),
        ("no channel Na", "no channel K"),
    ],
)
def test_reasons_that_say_something_else_are_not(one, other):
    assert alike(one) != alike(other)


def test_failures_stand_together_by_what_they_say(tmp_path):
    study, directory = simulated(tmp_path)
    [group] = grouped(failed_points(study, directory))
    assert group.reason.startswith("ValueError: no solution of <number> in <path>") and group.status == "failed"
    assert sorted(int(failure.values["k"]) for failure in group.failures) == [1, 3, 5, 7, 9, 11]
    assert all(len(failure.id) == 32 and list(failure.values) == ["k"] for failure in group.failures)
    # for the dashboard
    assert RowCounter(directory).count().reasons == {("failed", group.reason): 6}


def test_a_point_that_succeeded_later_is_no_failure(tmp_path):
    study, directory = simulated(tmp_path, how="dies")
    assert len(failed_points(study, directory)) == 6
    Task(directory, 0, 4, retry_failed=True).run()
    assert len(failed_points(study, directory)) == 6


@pytest.mark.parametrize("how", ["program", "captured"])
def test_what_a_program_said_last_is_part_of_the_reason(tmp_path, how):
    study, directory = simulated(tmp_path, 2, how)
    [failure] = failed_points(study, directory)
    assert "CalledProcessError" in failure.reason and "exit status 4" in failure.reason
    assert failure.reason.endswith("mesh.c:12: negative volume")


def test_the_log_of_a_point_is_found(tmp_path):
    study, directory = simulated(tmp_path)
    first, *others = failed_points(study, directory)
    entry = log_entry(study, directory, first.id[:12])
    k = first.values["k"]
    assert entry.text.startswith(f"point {k} speaks\nTraceback") and "ValueError: no solution" in entry.text
    assert "point 0 speaks" not in entry.text and entry.twin == ""
    # equal tracebacks are written once
    [log] = [path.read_text() for path in directory.logs.iterdir()]
    assert log.count("Traceback (most recent call last)") == 1
    assert "=== 5 more point(s) failed like" in log
    for other in others:
        entry = log_entry(study, directory, other.id)
        assert entry.twin == first.id and "ValueError: no solution" in entry.text


def test_the_log_of_a_point_that_died_is_found(tmp_path):
    study, directory = simulated(tmp_path, 4, "dies")
    for failure in failed_points(study, directory):
        assert failure.reason.startswith("the process died of SIGSEGV")
        entry = log_entry(study, directory, failure.id[:8])
        assert entry.text == f"point {failure.values['k']} speaks\n" and not entry.twin


def test_an_id_that_leads_to_no_point_or_several_is_told(tmp_path):
    study, directory = simulated(tmp_path)
    with pytest.raises(ResultsError, match=r'no failed point has an id that begins with "xyz"; failed: [0-9a-f]{12} \(k = '):
        log_entry(study, directory, "xyz")
    with pytest.raises(ResultsError, match=r'the ids of 6 failed points begin with "": .* and 1 more; give more of the id'):
        log_entry(study, directory, "")


@pytest.mark.parametrize("on", ["local", "inline"])
def test_commands_tell_of_failures(tmp_path, command, on):
    (tmp_path / "talk.toml").write_text(STUDY % "0, 11, 12")
    run = command("run", "talk.toml", "--on", on)
    for done in (run, command("status", "talk.toml")):
        assert "ValueError: no solution of <number> in <path>" in done.stdout and "and 3 more" in done.stdout
        assert "hpcsim run runs/talk --retry-failed simulates them again, hpcsim log runs/talk " in done.stdout
    listed = command("log", "talk.toml").stdout.splitlines()
    assert len(listed) == 6 and all("(k = " in line and ": failed: ValueError: no solution" in line for line in listed)
    shown = command("log", "runs/talk", listed[0].split()[0])
    assert "Traceback" in shown.stdout and "\x1b" not in shown.stdout
    wrong = command("log", "runs/talk", "zz")
    assert wrong.returncode == 1 and 'no failed point has an id that begins with "zz"' in wrong.stderr


def test_a_sweep_without_a_success_says_so(tmp_path, command):
    (tmp_path / "talk.toml").write_text('[study]\nname = "talk"\nmodel = "endings:talks"\n[space]\nk = [1, 3, 5]\n')
    assert "every point failed" in command("run", "talk.toml").stdout
