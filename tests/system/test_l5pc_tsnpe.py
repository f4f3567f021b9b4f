"""The shipped sequential inference for the layer 5 pyramidal neuron, small: later rounds are nearer to the experiments."""

from __future__ import annotations

import numpy as np
import pytest
from absent import needed

import hpcsim
from hpcsim.samplers.objectives import scores

pytestmark = pytest.mark.slow


def test_the_shipped_study_is_sound():
    needed("sbi")
    full, small = hpcsim.Study.load("l5pc_tsnpe"), hpcsim.Study.load("l5pc_tsnpe", "ci")
    assert len(full.search.plan.problem.names) == 35 and len(small.search.plan.problem.names) == 4
    assert {one.distance for one in full.search.objectives} == {"signed"}


def test_later_rounds_are_nearer(tmp_path):
    needed("sbi")
    needed("neuron")
    study = hpcsim.Study.load("l5pc_tsnpe", "ci")
    results = study.run("local", tmp_path / "run", workers=2)
    x = scores(study.search.objectives, results.table, np.arange(len(results)))
    assert len(x) == 72
    # what failed is as far as can be
    worst = np.where(np.isfinite(x).all(axis=1), np.abs(x).max(axis=1), np.inf)
    assert np.median(worst[50:]) < np.median(worst[:24])
    spread = [
        [results.table.array(n)[rows].std() for n in study.search.plan.problem.names] for rows in (slice(24), slice(50, None))
    ]
    assert (np.array(spread[1]) < np.array(spread[0])).mean() > 0.5
