"""What real sites' Slurm commands answer: nothing is queued twice, whatever that is, and no job is lost from sight."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace

import pytest
from squares import make
from stand_in import FIRST, StandIn

import hpcsim
from hpcsim.errors import Interrupted, SlurmError, SlurmUnclear, StorageError
from hpcsim.scheduler.dask.jobs import WorkerJob
from hpcsim.scheduler.executor import Listener
from hpcsim.scheduler.queue import call as slurm_call
from hpcsim.scheduler.queue.commands import Slurm
from hpcsim.scheduler.site.site import Overrides
from hpcsim.scheduler.slurm.executor import cancel, go_on, start
from hpcsim.scheduler.slurm.prepared import prepare_submission
from hpcsim.scheduler.slurm.queue_status import look
from hpcsim.scheduler.slurm.submission import submissions
from hpcsim.scheduler.sweep import sweep
from hpcsim.scheduler.sweep_lock import one_sweep
from hpcsim.scheduler.target import Target


@pytest.fixture
def there(tmp_path, monkeypatch):
    """Stand-ins for Slurm's commands, and nothing else of Slurm."""
    found = StandIn(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{found.commands}:/bin:/usr/bin")
    for name in ("SLURM_CLUSTERS", "SBATCH_CLUSTERS"):
        monkeypatch.delenv(name, raising=False)
    return found


def slurm(**more):
    return Slurm(_sleep=lambda seconds: None, **more)


def submit_twice(tmp_path, **more):
    """Submit a study of three tasks; a second time nothing is left to submit."""
    study, directory = make(tmp_path, 3, task_size=1)
    assert start(study, directory, slurm(), **more) is not None
    assert start(study, directory, slurm(), **more) is None
    assert go_on(study, directory, slurm()) == []
    [item] = submissions(directory)
    return study, directory, item


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("", "%d\nThis job is charged to project alpha\n"),
        ("", "Checking your quota ... ok\n%d\n"),
        ("", "Submitted batch job %d\n"),
        ("", "%d\n\n"),
        ("", b"Priorit\xe9 normale\n%d\n"),
        ("", ""),
        ("", "a job was made\n"),
        ("", "80\n%d\n"),
        ("talks", "%d\n"),
        ("no comment", ""),
        ("no name", ""),
        ("fails", ""),
        ("fails forget", "%d\n"),
        ("late", "%d\n"),
        ("stderr forget", "queued\n"),
    ],
)
def test_a_job_is_queued_once_whatever_sbatch_says(there, tmp_path, monkeypatch, mode, says):
    monkeypatch.setattr(slurm_call, "_CALL", 3.0 if mode == "late" else 60.0)
    monkeypatch.setenv("STAND_IN", mode)
    monkeypatch.setenv("STAND_IN_SAYS", says if isinstance(says, str) else says.decode(errors="surrogateescape"))
    _, _, item = submit_twice(tmp_path)
    assert item.jobs == [FIRST, FIRST + 1] and there.queued == 2


def test_an_sbatch_that_says_nothing_is_quoted_as_such(there, tmp_path, monkeypatch):
    monkeypatch.setenv("STAND_IN", "forget")
    monkeypatch.setenv("STAND_IN_SAYS", "")
    study, directory = make(tmp_path, 3, task_size=1)
    with pytest.raises(SlurmUnclear, match="sbatch said nothing, and the queue shows no job s-1-"):
        start(study, directory, slurm())


def test_a_job_that_nobody_can_find_is_not_queued_again_before_the_user_says_so(there, tmp_path, monkeypatch):
    monkeypatch.setenv("STAND_IN", "forget")
    monkeypatch.setenv("STAND_IN_SAYS", "well done\n")
    study, directory = make(tmp_path, 3, task_size=1)
    for _ in range(2):
        with pytest.raises(SlurmUnclear, match=r"its number is not known: sbatch said 'well done'.*squeue --me.*hpcsim cancel"):
            start(study, directory, slurm())
        assert there.queued == 1
    with pytest.raises(SlurmUnclear):
        go_on(study, directory, slurm())
    assert "hpcsim resume" in str(look(directory, slurm())[0])
    said: list[str] = []
    assert cancel(directory, slurm(notify=said.append)) == []
    assert len(said) == 1 and "should it show up, scancel --name=s-1-" in said[0]
    monkeypatch.setenv("STAND_IN_SAYS", "%d\n")
    assert start(study, directory, slurm()).jobs == [FIRST + 1, FIRST + 2]


@pytest.mark.parametrize("mode", ["killed after", "killed before"])
def test_a_kill_between_the_queue_and_the_record_queues_nothing_twice(there, tmp_path, monkeypatch, command, mode):
    study, directory = make(tmp_path, 3, task_size=1)
    monkeypatch.setenv("STAND_IN", mode)
    assert command("submit", "s.toml").returncode == -9
    monkeypatch.setenv("STAND_IN", "")
    if mode == "killed after":
        # the array is there: it gets its collector, and no second one
        assert start(study, directory, slurm()) is None
        [item] = submissions(directory)
        assert item.jobs == [FIRST, FIRST + 1] and there.queued == 2
    else:
        assert start(study, directory, slurm()).jobs == [FIRST, FIRST + 1]
        assert submissions(directory)[0].over == "none of it reached Slurm" and there.queued == 2


def test_a_collector_whose_number_was_lost_is_found_and_cancelled(there, tmp_path, monkeypatch):
    study, directory = make(tmp_path, 3, task_size=1)
    item = start(study, directory, slurm())
    # as it stood when Slurm had taken the collector, and nothing was written of that
    token = (there.jobs / str(item.collector)).read_text().splitlines()[1]
    replace(item, collector=None, asked=token).write()
    assert cancel(directory, slurm()) == item.jobs
    assert there.calls("scancel") == [f"scancel --quiet {FIRST} {FIRST + 1}"]


def test_points_of_a_submission_that_goes_on_are_not_submitted_by_a_second_look(there, tmp_path, monkeypatch):
    study, directory, item = submit_twice(tmp_path)
    monkeypatch.setenv("STAND_IN_STATE", "")
    assert "submission 2 goes on" in go_on(study, directory, slurm())[0]
    # the process ended before it wrote down that the first is over
    item.write()
    (there.jobs / str(FIRST)).unlink()
    (there.jobs / str(FIRST + 1)).unlink()
    monkeypatch.setenv("STAND_IN_STATE", "RUNNING")
    assert len(go_on(study, directory, slurm())) == 1
    assert [part.over == "" for part in submissions(directory)] == [False, True]


@pytest.mark.parametrize(
    "state", ["RESV_DEL_HOLD", "EXPEDITING", "POWER_UP_NODE", "UPDATE_DB", "LAUNCH_FAILED", "SPECIAL_EXIT", "WAITING_FOR_GODOT"]
)
def test_only_states_that_are_known_as_ends_are_ends(there, tmp_path, monkeypatch, state):
    monkeypatch.setenv("STAND_IN_STATE", state)
    _, directory, _ = submit_twice(tmp_path)
    assert there.queued == 2 and look(directory, slurm())[0].waiting.total() == 1


@pytest.mark.parametrize("said", ["SLURM_CLUSTERS", "SBATCH_CLUSTERS", "site", "argument", "sbatch", "sbatch in words", "two"])
def test_the_cluster_is_part_of_a_jobs_address(there, tmp_path, monkeypatch, said):
    monkeypatch.setenv("STAND_IN_CLUSTER", "blue")
    more = {}
    if said.endswith("CLUSTERS"):
        monkeypatch.setenv(said, "blue")
    elif said == "site":
        (tmp_path / "blue.toml").write_text('cluster = "blue"\n')
        more = {"target": Target("slurm", site=tmp_path / "blue.toml")}
    elif said == "argument":
        more = {"target": Target("slurm", overrides=Overrides(cluster="blue"))}
    elif said == "two":
        # Slurm chooses one, and sbatch does not say which
        monkeypatch.setenv("SLURM_CLUSTERS", "red,blue")
    else:
        monkeypatch.setenv("STAND_IN_SAYS", "%d;blue\n" if said == "sbatch" else "Submitted batch job %d on cluster blue\n")
    _, directory, item = submit_twice(tmp_path, **more)
    assert item.cluster == "blue" and there.queued == 2
    # the collector is where the tasks are, or it could not wait for them
    assert there.calls("sbatch")[1].startswith("sbatch -M blue ")
    for name in ("SLURM_CLUSTERS", "SBATCH_CLUSTERS"):
        monkeypatch.delenv(name, raising=False)
    assert "collector PENDING" in str(look(directory, slurm())[0])
    assert cancel(directory, slurm()) == item.jobs
    assert there.calls("scancel") == [f"scancel -M blue --quiet {FIRST} {FIRST + 1}"]


def test_banners_and_complaints_hide_no_job(there, tmp_path, monkeypatch):
    monkeypatch.setenv("STAND_IN", "squeue complains sacct scancel complains")
    monkeypatch.setenv("STAND_IN_BANNER", "CLUSTER: blue\nJOBID STATE\n17 nodes are in maintenance, 3 | 4 on Monday")
    _, directory, item = submit_twice(tmp_path)
    assert cancel(directory, slurm()) == item.jobs


def test_a_queue_that_cannot_be_read_is_not_an_empty_one(there, tmp_path, monkeypatch):
    study, directory, _ = submit_twice(tmp_path)
    monkeypatch.setenv("STAND_IN", "squeue dies")
    with pytest.raises(SlurmError, match="a plugin is older"):
        start(study, directory, slurm())
    assert there.queued == 2


def test_accounting_that_is_switched_off_is_said_and_done_without(there, tmp_path, monkeypatch):
    submit_twice(tmp_path)
    monkeypatch.setenv("STAND_IN", "sacct disabled")
    monkeypatch.setenv("STAND_IN_STATE", "COMPLETED")
    said: list[str] = []
    assert len(slurm(notify=said.append).states([FIRST, 99])) == 1
    assert len(said) == 1 and "keeps no accounting" in said[0] and "accounts" not in said[0]


def test_the_users_shell_changes_neither_what_is_printed_nor_what_a_job_is(there, tmp_path, monkeypatch):
    changing = ["SBATCH_ARRAY_INX", "SBATCH_EXPORT", "SBATCH_WAIT", "SQUEUE_FORMAT", "SQUEUE_STATES", "SACCT_FORMAT"]
    changing += ["SLURM_TIME_FORMAT", "SCANCEL_INTERACTIVE", "SLURM_JSON", "SBATCH_PARTITION", "SBATCH_JOB_NAME"]
    for name in changing:
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("SBATCH_ACCOUNT", "mine")
    submit_twice(tmp_path, target=Target("slurm", overrides=Overrides(partition="debug")))
    seen = dict(line.split("=", 1) for line in (there.folder / "environment").read_text().splitlines() if "=" in line)
    assert not seen.keys() & set(changing)
    # who pays may well stand in the shell, where neither the site nor the user says it
    assert seen["SBATCH_ACCOUNT"] == "mine"


HEIR = '[study]\nname = "heir"\nmodel = "toys:child"\n[space]\nx = [1, 2]\n[fixed]\nparent = "study:s"\n'


def test_a_job_that_waits_for_other_studies_is_queued_once(there, tmp_path):
    make(tmp_path, 3, task_size=1)
    (tmp_path / "heir.toml").write_text(HEIR)
    study = hpcsim.Study.load(tmp_path / "heir.toml")
    assert start(study, study.directory(), slurm()).after == ("s",)
    assert start(study, study.directory(), slurm()) is None
    assert there.queued == 3


def test_watching_ends_where_the_collector_was_lost(there, tmp_path, monkeypatch, typed):
    """Killed for memory, say, before it could close its submission: no job is left, and nobody else goes on with it."""
    _, directory, item = submit_twice(tmp_path)

    def looks(again):
        yield
        monkeypatch.setenv("STAND_IN_STATE", "OUT_OF_MEMORY")
        yield
        pytest.fail("it watches for ever")

    monkeypatch.setattr("hpcsim.cli.job_lines.watching", looks)
    said = typed("status", directory.path, "--watch")
    assert said.count("collector PENDING") == said.count("collector OUT_OF_MEMORY") == 1
    assert "no job of it is left, and it is not collected: hpcsim resume goes on with it" in " ".join(said.split())
    assert [one.left for one in look(directory, slurm())] == [False] and not item.over


def stopped_while_it_watches(study, monkeypatch):
    """A run on Slurm that the user stops as soon as it waits for jobs; returns what was said."""

    def stop():
        raise KeyboardInterrupt
        yield

    said: list[str] = []
    with monkeypatch.context() as patch, pytest.raises(Interrupted, match="the jobs go on"):
        patch.setattr("hpcsim.scheduler.slurm.executor.pauses", stop)
        sweep(study, study.directory(), Target("slurm", workers=2), listener=Listener(notify=said.append))
    return said


def test_run_and_submit_queue_the_same_where_other_studies_are_needed(there, tmp_path, monkeypatch):
    queued = []
    for folder in (tmp_path / "submit", tmp_path / "run"):
        folder.mkdir()
        monkeypatch.chdir(folder)
        make(folder, 3, task_size=1)
        (folder / "heir.toml").write_text(HEIR)
        study = hpcsim.Study.load("heir.toml")
        if folder.name == "submit":
            start(study, study.directory(), slurm(), Target("slurm", workers=2))
        else:
            said = stopped_while_it_watches(study, monkeypatch)
            assert any("heir: submission 1: job 4006 submits the tasks when s is finished, should this" in text for text in said)
        scripts = sorted((folder / "runs").glob("*/jobs/*/*.job"))
        queued.append({path.relative_to(folder): path.read_text().replace(str(folder), "") for path in scripts})
    assert [path.name for path in queued[0]] == ["dependency.job", "array-0.job", "collect.job"]
    assert queued[0] == queued[1] and "throttle=2" in next(iter(queued[0].values()))
    # the array, what collects it, and what waits for that, both times
    waits = [line.partition("--dependency=")[2].split()[0] if "--dependency" in line else "" for line in there.calls("sbatch")]
    assert [word.partition(":")[2] for word in waits] == ["", "4001", "4002", "", "4004", "4005"]


def test_a_run_that_goes_on_itself_ends_the_job_that_would_have_done_it(there, tmp_path, monkeypatch):
    base, place = make(tmp_path, 3, task_size=1)
    (tmp_path / "heir.toml").write_text(HEIR)
    study = hpcsim.Study.load(tmp_path / "heir.toml")
    stopped_while_it_watches(study, monkeypatch)
    sweep(base, place, Target("inline"))
    stopped_while_it_watches(study, monkeypatch)
    waiting, tasks = submissions(study.directory())
    assert waiting.over == "s came to an end" and not tasks.over and len(tasks.sent) == 1
    assert there.calls("scancel") == [f"scancel --quiet {waiting.collector}"]


def test_the_job_that_waits_leaves_a_study_to_the_run_that_has_it(there, tmp_path, monkeypatch):
    monkeypatch.setattr("hpcsim.scheduler.slurm.executor.DEAD_AFTER", 0.0)
    base, place = make(tmp_path, 3, task_size=1)
    (tmp_path / "heir.toml").write_text(HEIR)
    study = hpcsim.Study.load(tmp_path / "heir.toml")
    start(study, study.directory(), slurm())
    said: list[str] = []
    with one_sweep(study.directory(), "a sweep on slurm"):
        # a next round of the other study is waited for all the same
        assert start(study, study.directory(), slurm(), after_inputs=True).after == ("s",)
        sweep(base, place, Target("inline"))
        assert start(study, study.directory(), slurm(notify=said.append), after_inputs=True) is None
    assert len(said) == 1 and "a sweep on slurm" in said[0] and "goes on with it" in said[0]
    assert start(study, study.directory(), slurm(), after_inputs=True).sent


def test_a_submission_is_drafted_once(there, tmp_path, monkeypatch):
    drafts = []
    monkeypatch.setattr(
        "hpcsim.scheduler.slurm.executor.prepare_submission",
        lambda *values, **more: drafts.append(1) or prepare_submission(*values, **more),
    )
    submit_twice(tmp_path)
    assert len(drafts) == 1


@pytest.mark.parametrize("damage", ["empty", "cut", "other", "pipe"])
def test_a_damaged_record_is_said_and_nothing_is_queued(there, tmp_path, damage):
    study, directory, item = submit_twice(tmp_path)
    record = item.folder / "submission.json"
    text = record.read_text()
    record.unlink()
    if damage == "pipe":
        os.mkfifo(record)
    else:
        record.write_text({"empty": "", "cut": text[: len(text) // 2], "other": "[1]"}[damage])
    with pytest.raises(StorageError, match=r"submission\.json cannot be read.*squeue --me.*move .*jobs/0001 away"):
        start(study, directory, slurm())
    assert there.queued == 2


def test_the_job_of_a_dask_worker_is_asked_for_and_ended_on_its_cluster(there, tmp_path, monkeypatch):
    monkeypatch.setenv("STAND_IN_SAYS", "%d;blue\n")
    job = WorkerJob(scheduler="tcp://127.0.0.1:1", name="w", slurm=slurm(), cores=1, memory="1GB", job_name="s-0")

    async def live() -> None:
        job.job_id = await job._submit_job(str(tmp_path / "a.job"))
        await job._close_job(job.job_id, job.cancel_command)

    asyncio.run(live())
    assert job.job_id == str(FIRST) and job.there == "blue"
    assert there.calls("scancel") == [f"scancel -M blue {FIRST}"]


def test_tasks_that_are_no_file_do_not_stop_a_look(there, tmp_path):
    _, directory, item = submit_twice(tmp_path)
    (item.folder / "tasks").unlink()
    os.mkfifo(item.folder / "tasks")
    with pytest.raises(StorageError, match="tasks cannot be read: it is a pipe, expected a file"):
        _ = submissions(directory)[0].tasks
