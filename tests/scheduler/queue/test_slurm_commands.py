"""Slurm's commands as they answer, refuse, stay away and are not there; a few shell scripts stand in for them."""

from __future__ import annotations

import pytest

from hpcsim.errors import SlurmError, SlurmUnavailable
from hpcsim.scheduler.queue.commands import Limits, Slurm
from hpcsim.scheduler.queue.job_state import State

CONFIG = """\
Configuration data as of 2026-01-01T00:00:00
AccountingStorageType   = %s
DefMemPerCPU            = 512
DefMemPerNode           = UNLIMITED
MaxArraySize            = 1001
MaxJobCount             = 10000
"""


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Put programs with the names of Slurm's commands into the path, and nothing else of Slurm."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")

    def make(**scripts: str) -> None:
        for name, body in scripts.items():
            (folder / name).write_text(f"#!/bin/bash\ncd {tmp_path}\n{body}\n")
            (folder / name).chmod(0o755)

    return make


def config(accounting="none"):
    return f"cat <<'END'\n{CONFIG % f'accounting_storage/{accounting}'}END"


def row(job, state, code="0", starts="N/A", reason="None"):
    return f"{job:1000}{state:20}{code:12}{starts:24}{reason:100}"


def slurm(**more):
    return Slurm(_sleep=lambda seconds: None, **more)


def test_limits_come_from_slurm(commands):
    commands(scontrol=config())
    assert slurm().limits == Limits(max_array=1001, max_submit=10_000, accounting=False, memory=512)


def test_limits_of_the_user_and_of_a_qos_count_where_there_is_accounting(commands):
    commands(
        scontrol=config("slurmdbd"),
        sacctmgr='case "$*" in *assoc*) echo "500|normal,long";; *qos*) printf "normal|200\\nlong|\\nother|5\\n";; esac',
    )
    limits = slurm().limits
    assert limits.accounting and limits.max_submit == 200
    commands(sacctmgr="echo sacctmgr: error: not allowed >&2; exit 1")
    assert slurm().limits.max_submit == 10_000


def test_states_are_read_with_one_call(commands, tmp_path):
    rows = [
        row("7_[4-9,12%2]", "PENDING", reason="JobArrayTaskLimit"),
        row("7_0", "COMPLETED", starts="2026-01-01T00:00:01"),
        row("7_1", "FAILED", "768", reason="NonZeroExitCode"),
        row("8", "PENDING", reason="(Dependency, of sorts)"),
    ]
    commands(scontrol=config(), squeue="echo x >> calls; cat <<'END'\n" + "\n".join(rows) + "\nEND")
    found = slurm().states([7, 8])
    assert found == [
        State(7, 4, 9, "PENDING", reason="JobArrayTaskLimit"),
        State(7, 12, 12, "PENDING", reason="JobArrayTaskLimit"),
        State(7, 0, 0, "COMPLETED", starts="2026-01-01T00:00:01"),
        State(7, 1, 1, "FAILED", code=3, reason="NonZeroExitCode"),
        State(8, None, None, "PENDING", reason="(Dependency, of sorts)"),
    ]
    assert [state.count for state in found] == [6, 1, 1, 1, 1]
    assert (tmp_path / "calls").read_text() == "x\n"
    assert slurm().states([]) == []


def test_the_accounting_is_asked_about_jobs_that_are_over(commands, tmp_path):
    rows = [row("7_0", "COMPLETED"), row("9_[1-3]", "PENDING", reason="Priority")]
    commands(
        scontrol=config("slurmdbd"),
        sacctmgr="true",
        squeue="cat <<'END'\n" + "\n".join(rows) + "\nEND",
        # the controller's word overrides this, which is late
        sacct="echo $* > asked; printf '7_0|RUNNING|0:0|Unknown|None\n7_1|OUT_OF_MEMORY|0:125|2026-01-01T00:00:01|None\n"
        "8|CANCELLED by 1000|0:15|Unknown|None\n'",
    )
    assert slurm().states([7, 8, 9]) == [
        State(7, 0, 0, "COMPLETED"),
        State(9, 1, 3, "PENDING", reason="Priority"),
        State(7, 1, 1, "OUT_OF_MEMORY", signal=125, starts="2026-01-01T00:00:01"),
        State(8, None, None, "CANCELLED", signal=15),
    ]
    assert "-j 7,8 " in (tmp_path / "asked").read_text()


def test_jobs_that_slurm_has_forgotten_are_no_error(commands):
    commands(scontrol=config(), squeue="echo slurm_load_jobs error: Invalid job id specified >&2; exit 1")
    assert slurm().states([7]) == []


AWAY = "echo 'sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)' >&2; exit 1"


def test_a_controller_that_does_not_answer_is_waited_for(commands, tmp_path):
    commands(scontrol=f"echo x >> calls; [ $(wc -l < calls) -gt 3 ] || {{ {AWAY}; }}\n{config()}")
    said: list[str] = []
    assert slurm(notify=said.append).limits.max_array == 1001
    assert len(said) == 2 and "Unable to contact" in said[0] and said[1] == "Slurm answers again"


def test_patience_has_an_end(commands):
    commands(scontrol=AWAY)
    with pytest.raises(SlurmUnavailable, match=r"has not answered for 0 s .*Unable to contact.*jobs that run go on") as caught:
        _ = slurm(patience=0).limits
    assert caught.value.retryable


def test_refusals_are_in_slurms_words_with_advice(commands):
    commands(sbatch="echo 'sbatch: error: invalid partition specified: nix' >&2; exit 1")
    with pytest.raises(SlurmError, match="invalid partition specified: nix; sinfo lists the partitions"):
        slurm().check("#!/bin/bash\n")
    commands(sbatch="echo 'sbatch: error: Invalid account or account/partition combination specified' >&2; exit 1")
    with pytest.raises(SlurmError, match=r"combination specified; sacctmgr .* --with account=NAME"):
        slurm().check("#!/bin/bash\n")


def test_without_slurm_it_says_where_to_go(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not slurm().available
    with pytest.raises(SlurmError, match="no sbatch on this machine; run this on a login node"):
        slurm().check("#!/bin/bash\n")


def test_an_answer_that_was_lost_does_not_submit_twice(commands, tmp_path):
    commands(
        sbatch='for word; do case "$word" in --comment=*) echo "${word#*=}" >> comments;; esac; done\n'
        "echo sbatch: error: Socket timed out on send/recv operation >&2; exit 1",
        squeue="printf '%-20s%-40s\\n' 5 other 6 $(tail -n 1 comments)",
    )
    assert slurm().submit(tmp_path / "a.job", "s-1") == 6
    assert len((tmp_path / "comments").read_text().splitlines()) == 1


def test_dependencies_end_with_their_jobs(commands, tmp_path):
    commands(sbatch='echo "$@" > arguments; echo "12;cluster"')
    assert slurm().submit(tmp_path / "a.job", "s-1", [3, 4]) == 12
    given = (tmp_path / "arguments").read_text()
    assert "--dependency=afterany:3:4 --kill-on-invalid-dep=yes" in given


def test_jobs_do_not_inherit_the_job_that_submits_them(commands, tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "99")
    monkeypatch.setenv("SLURM_CONF", "/etc/x.conf")
    commands(sbatch="env | grep ^SLURM > variables; echo 1")
    slurm().submit(tmp_path / "a.job", "s-1")
    assert sorted((tmp_path / "variables").read_text().splitlines()) == ["SLURM_BITSTR_LEN=0", "SLURM_CONF=/etc/x.conf"]
