"""Where tasks run: one value, from the command as from Python."""

from __future__ import annotations

import pytest

import hpcsim
from hpcsim.errors import SiteError
from hpcsim.scheduler.site.site import Overrides
from hpcsim.scheduler.target import Target


def test_what_is_said_besides_overrides_a_target():
    base = Target("slurm", workers=8, site="a", overrides=Overrides(time="1 h"))
    assert Target.of(base) == base
    assert Target.of("slurm", workers=8, site="a", overrides={"time": "1 h"}) == base
    changed = Target.of(base, workers=2, site="b", overrides=Overrides(memory="1 GB"))
    assert changed == Target("slurm", 2, "b", "", Overrides(memory="1 GB"))


def test_overrides_are_checked_as_a_whole():
    with pytest.raises(SiteError, match=r'(?s)overrides: task_size: found 0.*did you mean "account"'):
        Target.of("slurm", overrides={"acount": "b", "task_size": 0})


def test_workers_are_the_throttle_of_jobs():
    assert Target("slurm", overrides=Overrides(throttle=3)).job_overrides.throttle == 3
    assert Target("slurm", 2, overrides=Overrides(throttle=3)).job_overrides.throttle == 2
    assert Target("slurm").job_overrides == Overrides()


def test_a_study_takes_a_target_or_says_it(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("hpcsim.scheduler.inline.run_inline", lambda job: seen.append(job.target))
    study = hpcsim.Study("s", "toys:noop")
    for on, more in ((Target("inline", 3), {}), ("inline", {"workers": 3})):
        with pytest.raises(hpcsim.errors.IncompleteError):
            study.run(on, tmp_path / "run", **more)
    # three rounds each, since nothing ran
    assert seen == [Target("inline", 3)] * 6
    with pytest.raises(TypeError, match="worker"):
        study.run("inline", tmp_path / "run", worker=3)
