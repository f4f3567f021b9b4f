"""Studies on a real Slurm of several emulated nodes: submitted, watched, cancelled, resumed."""

from __future__ import annotations

import subprocess
import threading
import time

import pytest
from absent import absent
from squares import begun, finished, make

import hpcsim
from hpcsim.collector.format.table import Table
from hpcsim.errors import HpcsimError, SlurmError, SlurmUnavailable
from hpcsim.scheduler.executor import Listener
from hpcsim.scheduler.plan import plan
from hpcsim.scheduler.queue.commands import Slurm
from hpcsim.scheduler.site.site import Overrides
from hpcsim.scheduler.slurm import arrays as rounds
from hpcsim.scheduler.slurm.executor import start
from hpcsim.scheduler.slurm.submission import points_in, submissions
from hpcsim.scheduler.sweep import sweep
from hpcsim.scheduler.target import Target

pytestmark = pytest.mark.slurm


def done(study, directory, slurm):
    """Whether nothing is left to run, and the queue is empty."""
    return not plan(study, directory).left and not slurm.queue()


def test_a_pilot_measures_and_the_next_submission_does_the_rest(slurm, tmp_path, monkeypatch):
    monkeypatch.setattr(rounds, "PILOT_SECONDS", 0.5)
    study, directory = make(tmp_path, 90, seconds=0.05)
    said = []
    sweep(study, directory, Target("slurm"), listener=Listener(notify=said.append))
    assert finished(directory) == list(range(90))
    first, second = submissions(directory)
    assert all(sent.part.budget for sent in first.sent) and not any(sent.part.budget for sent in second.sent)
    assert "submission 2 goes on" in first.over
    # all that is left fits into one task of minutes, and Slurm was told how long it may last
    assert len(second.tasks) == 1 and second.sent[0].part.seconds >= 300
    script = (second.folder / "array-0.job").read_text()
    assert "#SBATCH --time=0-00:" in script and "--seconds" not in script
    assert "they go on when this ends" in said[0]


def test_long_arrays_are_split_and_share_one_throttle(slurm, tmp_path, command):
    (tmp_path / "few.toml").write_text('partition = "debug"\n[limits]\nmax_array = 2\nthrottle = 2\n')
    study, directory = make(tmp_path, 9, seconds=1.0, task_size=2)
    submitted = command("submit", "s.toml", "--site", "few.toml")
    assert submitted.returncode == 0, submitted.stderr
    [item] = submissions(directory)
    assert [(sent.part.first, sent.part.count) for sent in item.sent] == [(0, 2), (2, 2), (4, 1)]
    scripts = [(item.folder / f"array-{number}.job").read_text() for number in range(3)]
    assert all("#SBATCH --array=0-" in script and "%2" in script for script in scripts)
    assert [f"SLURM_ARRAY_TASK_ID + {first}" in script for first, script in zip((0, 2, 4), scripts, strict=True)] == [True] * 3
    # the second and the third wait for the one before; nobody sees more than two tasks at once
    last = str(item.sent[2].job)
    slurm.wait(lambda: {row[0].split("_")[0]: row[2] for row in slurm.queue()}[last] == "Dependency")
    status = command("status", "s.toml").stdout
    assert "submission 1: 5 tasks" in status and "collector PENDING Dependency" in status
    most = 0
    deadline = time.monotonic() + 180
    while not done(study, directory, slurm) and time.monotonic() < deadline:
        most = max(most, sum(row[1] == "RUNNING" and "_" in row[0] for row in slurm.queue()))
        time.sleep(0.2)
    assert finished(directory) == list(range(9))
    assert 1 <= most <= 2
    assert "submission 1 is over: tasks 5 COMPLETED" in command("status", "s.toml").stdout


def test_cancel_writes_what_is_there_and_resume_submits_only_the_rest(slurm, tmp_path, command):
    study, directory = make(tmp_path, 60, seconds=1.0, task_size=30, marked=True)
    start(study, directory, Slurm())
    assert start(study, directory, Slurm()) is None
    # of two tasks, one has finished a point when a third one begins, however slow the machine is
    slurm.wait(lambda: begun(tmp_path) >= 4)
    cancelled = command("cancel", "s.toml")
    assert "hpcsim resume" in cancelled.stdout, cancelled.stderr
    slurm.wait(lambda: not slurm.queue())
    before = plan(study, directory)
    assert 0 < before.done < 60
    resumed = command("resume", "s.toml", "--with", "task_size=60")
    assert resumed.returncode == 0, resumed.stderr
    first, second = submissions(directory)
    assert first.over == "cancelled"
    # one task from the first missing point to the last; it passes over the others
    assert second.tasks == [(before.pending[0][0], 60)]
    assert points_in(before.pending) == before.left


def test_a_job_that_the_user_cancels_ends_the_run_with_words(slurm, tmp_path):
    study, directory = make(tmp_path, 4, seconds=30, task_size=4)
    failures = []

    def run():
        try:
            sweep(study, directory, Target("slurm"))
        except HpcsimError as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    slurm.wait(lambda: any(row[1] == "RUNNING" for row in slurm.queue()))
    [array] = {row[0].split("_")[0] for row in slurm.queue() if "_" in row[0]}
    slurm.ask("scancel", array)
    thread.join(180)
    [error] = failures
    assert isinstance(error, SlurmError)
    assert "4 points were cancelled" in str(error) and "hpcsim resume" in str(error)
    assert len(submissions(directory)) == 1


def test_a_lost_node_is_made_up_for(slurm, tmp_path):
    study, directory = make(tmp_path, 40, seconds=0.2, task_size=40)
    item = start(study, directory, Slurm())
    job = item.sent[0].job
    slurm.wait(lambda: any(row[1] == "RUNNING" for row in slurm.queue()))
    slurm.ask("scontrol", "update", f"JobId={job}", "Requeue=0")
    node = slurm.ask("squeue", "-h", "-j", str(job), "-o", "%N").strip()
    slurm.ask("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
    try:
        slurm.wait(lambda: done(study, directory, slurm))
    finally:
        slurm.ask("scontrol", "update", f"NodeName={node}", "State=RESUME")
    first, second = submissions(directory)
    assert "1 NODE_FAIL" in first.over
    assert second.sent[0].part.tries == 1
    assert finished(directory) == list(range(40))


def test_a_task_that_reaches_its_time_limit_writes_what_it_has_and_goes_on(slurm, tmp_path):
    # two minutes, of which Slurm takes the last for its warning, and 100 s of work
    study, directory = make(tmp_path, 25, seconds=4.0, task_size=25)
    sweep(study, directory, Target("slurm", overrides=Overrides(time="2 min")))
    assert finished(directory) == list(range(25))
    first, *rest = submissions(directory)
    assert "TIMEOUT" in first.over and rest
    assert rest[0].sent[0].part.tries == 1
    # nothing that was finished ran again
    with Table(directory.results) as table:
        assert set(table.array("attempts")) == {1}


def test_a_job_that_slurm_requeues_makes_two_writers_and_nothing_is_doubled(slurm, tmp_path):
    study, directory = make(tmp_path, 30, seconds=0.1, task_size=30)
    item = start(study, directory, Slurm())
    job = item.sent[0].job
    slurm.wait(lambda: any(row[1] == "RUNNING" for row in slurm.queue()))
    slurm.ask("scontrol", "requeue", str(job))
    slurm.wait(lambda: any(row[1] == "PENDING" and row[2] == "BeginTime" for row in slurm.queue()))
    # a node takes a job back only some seconds after it has given it up
    time.sleep(3)
    slurm.ask("scontrol", "update", f"JobId={job}", "StartTime=now")
    slurm.wait(lambda: done(study, directory, slurm))
    assert finished(directory) == list(range(30))


HUNGRY = """
import numpy as np
from hpcsim import Output, Parameter, model

@model("hungry", parameters=[Parameter("megabytes", 1.0)], outputs=[Output("y")])
def hungry(point, context):
    taken = np.ones(int(point["megabytes"]) * 2**17)
    return {"y": float(taken[-1])}
"""


def test_without_enough_memory_points_get_more_and_then_are_set_aside(slurm, tmp_path, monkeypatch):
    if not slurm.cgroups:
        absent("control groups cannot be made here: Slurm does not see what a job takes")
    # a model beside the study: jobs start in the same folder
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "hungry.py").write_text(HUNGRY)
    (tmp_path / "h.toml").write_text(
        '[study]\nname = "h"\nmodel = "hungry:hungry"\n[space]\nmegabytes = [1, 350, 2000]\n'
        '[resources]\nmemory = "300 MB"\ntask_size = 3\n'
    )
    study = hpcsim.Study.load("h.toml")
    directory = study.directory()
    sweep(study, directory, Target("slurm"))
    with Table(directory.results) as table:
        rows = dict(zip(table.array("megabytes"), zip(table.array("status"), table.array("error"), strict=True), strict=True))
    assert rows[1.0] == (0, "") and rows[350.0] == (0, "")
    status, reason = rows[2000.0]
    assert status == 2 and reason == "ran out of memory with 1148 MB"
    assert [item.sent[0].part.memory for item in submissions(directory)] == [287, 574, 1148]
    assert [len(item.tasks) for item in submissions(directory)] == [1, 1, 1]


def test_a_controller_that_is_down_is_waited_for(slurm, tmp_path):
    study, directory = make(tmp_path, 3)
    slurm.stop_controller()
    said = []
    with pytest.raises(SlurmUnavailable, match="jobs that run go on"):
        Slurm(patience=0.5).states([1])
    # Slurm's own commands try for some seconds as well
    back = threading.Timer(12.0, slurm.start_controller)
    back.start()
    try:
        sweep(study, directory, Target("slurm"), listener=Listener(notify=said.append))
    finally:
        back.join()
    assert any("Slurm does not answer" in text for text in said) and "Slurm answers again" in said
    assert finished(directory) == [0, 1, 2]


def test_what_slurm_refuses_is_said_in_its_words_before_anything_runs(slurm, tmp_path, command):
    _, directory = make(tmp_path, 3)
    refused = command("submit", "s.toml", "--with", "partition=nowhere")
    assert refused.returncode == 1
    assert "nvalid partition" in refused.stderr and "sinfo lists the partitions" in refused.stderr
    assert not submissions(directory) and not directory.results.exists()
    greedy = command("run", "s.toml", "--on", "slurm", "--with", "memory=900 GB")
    assert greedy.returncode == 1 and "node configuration is not available" in greedy.stderr
    odd = command("submit", "s.toml", "--with", "partition=a;rm -rf x", "--with", "acount=b")
    assert odd.returncode == 2
    assert "--with: partition: found" in odd.stderr and 'did you mean "account"?' in odd.stderr
    (tmp_path / "image.toml").write_text('[container]\nimage = "/data/none.sif"\n')
    image = command("submit", "s.toml", "--site", "image.toml")
    assert image.returncode == 2 and "container.image: there is no file or folder /data/none.sif" in image.stderr
    assert "Traceback" not in refused.stderr + greedy.stderr + odd.stderr + image.stderr


def test_folders_with_shell_characters(slurm, tmp_path, monkeypatch):
    place = tmp_path / "a b'c\"d%e $(touch oops) `x`;&"
    place.mkdir()
    monkeypatch.chdir(place)
    study, directory = make(place, 3)
    sweep(study, directory, Target("slurm"))
    assert finished(directory) == [0, 1, 2]
    assert not list(tmp_path.rglob("oops"))
    bad = study.directory(tmp_path / "line\nbreak")
    with pytest.raises(HpcsimError, match="a line of a script takes no line breaks"):
        start(study, bad, Slurm())


def test_a_scratch_that_cannot_be_written_is_named(slurm, tmp_path):
    (tmp_path / "dry.toml").write_text('scratch = "/proc/nowhere"\n')
    study, directory = make(tmp_path, 3)
    with pytest.raises(SlurmError, match="are left by tasks that failed with exit code 3"):
        sweep(study, directory, Target("slurm", site="dry.toml"))
    [log] = directory.logs.glob("*_0.log")
    assert "the scratch /proc/nowhere cannot be written" in log.read_text()


def test_a_scratch_that_is_full_is_named(slurm, tmp_path):
    full = tmp_path / "full"
    full.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(full)], check=False).returncode:
        absent("mount: a small file system that can be filled")
    try:
        (full / "filler").write_bytes(bytes(4096))
        (tmp_path / "full.toml").write_text(f'scratch = "{full}"\n')
        study, directory = make(tmp_path, 3)
        with pytest.raises(SlurmError, match="are left by tasks that failed with exit code 3"):
            sweep(study, directory, Target("slurm", site="full.toml"))
        [log] = directory.logs.glob("*_0.log")
        assert f"the scratch {full} cannot be written" in log.read_text()
    finally:
        subprocess.run(["umount", str(full)], check=True)


def test_status_watches_until_no_job_is_left(slurm, tmp_path, command):
    make(tmp_path, 4, seconds=2.0, task_size=2)
    assert command("submit", "s.toml").returncode == 0
    done = command("status", "s.toml", "--watch")
    assert done.returncode == 0, done.stderr
    # it was told while tasks ran, and the last word is that all is over
    assert "2 tasks: 2 run" in done.stdout
    assert "4 of 4 points finished" in done.stdout.splitlines()[-3] + done.stdout.splitlines()[-2] + done.stdout.splitlines()[-1]
    assert not slurm.queue()


def test_doctor_gets_an_answer_from_a_node(slurm, tmp_path, command):
    (tmp_path / "here.toml").write_text('partition = "debug"\ndescription = "three nodes"\n')
    done = command("doctor", "--site", "here.toml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "answered from n" in done.stdout and hpcsim.__version__ in done.stdout
    # this site names no launcher, and Slurm's own default starts worlds of one rank
    assert "started 2 ranks, and each sees 1" in done.stdout
    assert not list(tmp_path.glob(".hpcsim-probe-*"))
    (tmp_path / "odd.toml").write_text('setup = ["echo no such module >&2", "exit 4"]\n')
    failed = command("doctor", "--site", "odd.toml")
    assert failed.returncode == 1 and "ended without an answer" in failed.stdout and "no such module" in failed.stdout
    closed = command("doctor", "--site", "here.toml", "--with", "partition=closed", "--patience", "2")
    assert closed.returncode == 1 and "PENDING PartitionDown" in closed.stdout and "it was cancelled" in closed.stdout
