"""Points on several MPI ranks, with a real mpiexec: one world, one writer, and nothing hangs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hang_guard import hang_guard

import hpcsim
from hpcsim.collector.format.table import Table
from hpcsim.errors import LaunchError, StudyError
from hpcsim.scheduler.gather import gather
from hpcsim.scheduler.site.launcher import Launch, mpiexec
from hpcsim.scheduler.sweep import sweep
from hpcsim.scheduler.target import Target
from hpcsim.scheduler.task import ranks as mpi
from hpcsim.scheduler.task.supervisor import Task


def prepare(tmp_path, ranks=2, n=6, name="ranked", **fixed):
    study = hpcsim.Study(
        name, "toys:ranked", space={"x": {"linspace": [0, n - 1, n]}}, fixed=fixed, resources={"ranks": ranks, "task_size": n}
    )
    directory = study.directory(tmp_path / "run")
    directory.open(study.to_toml(), study.recipe, study.name)
    return study, directory


def run(study, directory, n=6, **options):
    code = Task(directory, 0, n, launch=Launch(study.file.resources.ranks), **options).run()
    gather(study, directory)
    return code


def rows(directory):
    with Table(directory.results) as table:
        order = np.argsort(table.array("x"))
        return {name: table.array(name)[order] for name in ("x", "status", "error", "total", "ranks", "attempts", "id", "seed")}


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_results_do_not_depend_on_the_number_of_ranks(tmp_path, ranks):
    study, directory = prepare(tmp_path, ranks)
    sweep(study, directory)
    found = rows(directory)
    assert (found["status"] == 0).all()
    np.testing.assert_array_equal(found["total"], 12 * found["x"] + 66)
    # and they really ran on that many
    assert set(found["ranks"]) == {ranks}
    # only one rank writes: a board and a temporary shard would lie here otherwise
    assert not list(directory.shards.iterdir())
    assert not [path for path in directory.logs.iterdir() if path.suffix != ".log"]


def test_only_the_first_rank_writes_and_all_are_counted(tmp_path):
    _, directory = prepare(tmp_path, 3, seconds=0.1)
    assert Task(directory, 0, 6, launch=Launch(3)).run() == 0
    [shard] = directory.shards.iterdir()
    with Table(shard) as table:
        assert len(table) == 6
        # of three processes, each of tens of MB
        assert (table.array("peak_memory") > 3 * 20).all()


def test_the_number_of_ranks_does_not_change_what_a_study_is(tmp_path):
    two, directory = prepare(tmp_path, 2)
    sweep(two, directory)
    three, _ = prepare(tmp_path, 3)
    assert three.fingerprint == two.fingerprint
    assert sweep(three, directory).left == 0


def test_inline_is_one_process_with_the_same_values(tmp_path):
    study, directory = prepare(tmp_path, 2)
    sweep(study, directory, Target("inline"))
    found = rows(directory)
    np.testing.assert_array_equal(found["total"], 12 * found["x"] + 66)


@pytest.mark.parametrize("how", ["all", "one"])
def test_a_point_that_fails_on_some_ranks_is_a_failed_row(tmp_path, how):
    study, directory = prepare(tmp_path, guilty=3, how=how)
    assert run(study, directory) == 0
    found = rows(directory)
    assert list(found["status"]) == [0, 0, 0, 1, 0, 0]
    assert "ValueError: this point cannot be simulated" in found["error"][3]
    assert ("rank 1" in found["error"][3]) == (how == "one")
    assert np.isnan(found["total"][3])


def test_a_rank_that_fails_where_the_others_wait_for_it_ends_the_point_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("HPCSIM_MPI_PATIENCE", "1")
    study, directory = prepare(tmp_path, guilty=3, how="stuck")
    with hang_guard(300):
        assert run(study, directory) == 0
    found = rows(directory)
    assert list(found["status"]) == [0, 0, 0, 2, 0, 0]
    assert "rank 1: ValueError: this rank cannot go on" in found["error"][3]
    assert found["attempts"][3] == 2


def test_a_crash_of_one_rank_is_isolated_to_the_guilty_point(tmp_path):
    study, directory = prepare(tmp_path, guilty=3, how="crash")
    assert run(study, directory) == 0
    found = rows(directory)
    assert list(found["status"]) == [0, 0, 0, 2, 0, 0]
    assert "SIGSEGV" in found["error"][3]


def moody(tmp_path, failures):
    """A launcher that a signal ends some times before it does its work, as srun ends where ranks do not find each other."""
    count, script = tmp_path / "count", tmp_path / "moody"
    script.write_text(
        f"#!/bin/sh\necho start >> {count}\n"
        f"if [ $(wc -l < {count}) -le {failures} ]; then echo 'failed to unpack address'; kill -TERM $$; fi\n"
        f'exec {mpiexec()} "$@"\n'
    )
    script.chmod(0o755)
    return Launch(2, (str(script),)), count


def test_ranks_that_do_not_find_each_other_are_started_again(tmp_path):
    study, directory = prepare(tmp_path)
    launch, count = moody(tmp_path, 2)
    assert Task(directory, 0, 6, launch=launch).run() == 0
    gather(study, directory)
    found = rows(directory)
    assert (found["status"] == 0).all() and len(count.read_text().splitlines()) == 3
    np.testing.assert_array_equal(found["total"], 12 * found["x"] + 66)


def test_ranks_that_never_find_each_other_fail_the_task_and_no_point(tmp_path, capsys):
    _, directory = prepare(tmp_path)
    launch, count = moody(tmp_path, 99)
    assert Task(directory, 0, 6, launch=launch).run() == 1
    said = capsys.readouterr().err
    assert "failed to unpack address" in said and "error: MPI ranks died 3 times before the first point, see" in said
    assert len(count.read_text().splitlines()) == 3 and not list(directory.shards.iterdir())


def test_the_reason_is_of_the_rank_that_died_first(tmp_path):
    _, directory = prepare(tmp_path)
    task = Task(directory, 0, 6, launch=Launch(2), log=tmp_path / "log")
    (tmp_path / "log").write_text(
        "srun: error: n2: task 1: Segmentation fault\nsrun: error: n2: task 0: Terminated\nsrun: Force Terminated StepId=155.0\n"
    )
    assert task._last_words(True) == "srun: error: n2: task 1: Segmentation fault"
    (tmp_path / "log").write_text("error: no such channel\nsrun: error: n2: task 1: Exited with exit code 1\n")
    assert task._last_words(True) == "error: no such channel"


def test_a_point_on_ranks_has_a_time_limit(tmp_path):
    study, directory = prepare(tmp_path, n=2, guilty=-1, seconds=30)
    assert run(study, directory, n=2, time_limit=1.0) == 0
    found = rows(directory)
    assert list(found["status"]) == [3, 3]
    assert "longer than the limit" in found["error"][0]


def test_sigterm_writes_what_is_finished(tmp_path):
    study, directory = prepare(tmp_path, n=40, seconds=0.3)
    line = [sys.executable, "-m", "hpcsim", "task", str(directory.path), "0", "--size", "40", "--events"]
    task = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    for said in task.stdout:
        if '"done": 0' not in said:
            break
    task.send_signal(signal.SIGTERM)
    assert task.wait(40) == 130
    task.stdout.close()
    gather(study, directory)
    assert 0 < len(rows(directory)["x"]) < 40
    assert not _alive(str(directory.path))


def test_a_killed_task_takes_its_ranks_with_it(tmp_path):
    _, directory = prepare(tmp_path, n=40, seconds=0.3)
    line = [sys.executable, "-m", "hpcsim", "task", str(directory.path), "0", "--size", "40", "--events"]
    task = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    for said in task.stdout:
        if '"done": 0' not in said:
            break
    task.kill()
    task.wait()
    task.stdout.close()
    deadline = time.monotonic() + 300
    while _alive(str(directory.path)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not _alive(str(directory.path))


def _alive(words: str) -> list[int]:
    """Processes whose command has these words."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                command = file.read()
        except OSError:
            continue
        if words.encode() in command and int(pid) != os.getpid():
            found.append(int(pid))
    return found


def test_a_launcher_of_another_mpi_is_found_before_the_first_point(tmp_path, capsys):
    _, directory = prepare(tmp_path)
    launcher = tmp_path / "mpiexec"
    # as many worlds of one rank, which is what the wrong launcher starts
    launcher.write_text('#!/bin/sh\nshift 2\n"$@" & first=$!\n"$@" & second=$!\nwait $first || exit $?\nwait $second\n')
    launcher.chmod(0o755)
    assert Task(directory, 0, 6, launch=Launch(2, (str(launcher),))).run() == LaunchError.exit_code
    words = capsys.readouterr().err
    assert "2 MPI ranks were asked for and mpi4py sees 1" in words
    assert "[launcher]" in words
    assert not list(directory.shards.iterdir())


def test_a_simulator_without_mpi_is_found_before_the_first_point(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TOYS_WORLD", "1")
    _, directory = prepare(tmp_path)
    assert Task(directory, 0, 6, launch=Launch(2)).run() == LaunchError.exit_code
    assert "toys.ranked sees 1 MPI rank(s) of 2" in capsys.readouterr().err
    assert not list(directory.shards.iterdir())


def test_a_launcher_that_is_not_there(tmp_path):
    _, directory = prepare(tmp_path)
    with pytest.raises(LaunchError, match=r'no launcher "/nowhere/mpiexec".*\[launcher\]'):
        Task(directory, 0, 6, launch=Launch(2, ("/nowhere/mpiexec",))).run()


class TestCommand:
    def test_one_rank_starts_python_and_nothing_else(self):
        assert Launch().command(["m", "x"]) == [sys.executable, "-m", "m", "x"]

    def test_ranks_inside_a_container(self):
        launch = Launch.parse(3, f"{mpiexec()} -l", "apptainer exec '/my images/a.sif' python3")
        wanted = [mpiexec(), "-l", "-n", "3", "apptainer", "exec", "/my images/a.sif", "python3", "-m", "m"]
        assert launch.command(["m"]) == wanted

    def test_the_default_launcher_is_of_this_environment(self):
        assert mpiexec().startswith(sys.prefix)


class TestStudy:
    def test_a_model_of_one_process_takes_no_ranks(self):
        with pytest.raises(StudyError, match=r"resources.ranks: the model toys.single runs in one process"):
            hpcsim.Study("s", "toys:single", resources={"ranks": 2})

    def test_a_model_may_refuse_a_number_of_ranks(self):
        with pytest.raises(StudyError, match=r"resources\.ranks: 9 ranks are more than 8"):
            hpcsim.Study("s", "toys:ranked", resources={"ranks": 9})


def test_together_gives_every_rank_the_first_error():
    """The world of one process: what it decides and does is what happens."""
    alone = mpi.SerialWorld()
    assert alone.broadcast(lambda: 3) == 3
    assert alone.summed([1.0, 2.0]) == [1.0, 2.0]
    with pytest.raises(ValueError, match="x"):
        alone.together(lambda: float("x"))
