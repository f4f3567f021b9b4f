"""The shipped sequential inference for one recorded cell, small: its second round is nearer to the cell."""

from __future__ import annotations

import numpy as np
import pytest
from absent import needed

import hpcsim
from hpcsim.inference.finding import Finding
from hpcsim.samplers.objectives import scores

pytestmark = pytest.mark.slow


def test_the_prior_narrows_around_a_recorded_cell(bernaerts_data, tmp_path):
    needed("sbi")
    study = hpcsim.Study.load("bernaerts_tsnpe", "ci")
    results = study.run("local", tmp_path / "run", workers=2)
    search = study.search.observed(tmp_path / "run", study.recipe)
    # 23 features of the cell, each a target
    assert len(search.objectives) == 23 and all(one.target is not None for one in search.objectives)
    x = scores(search.objectives, results.table, np.arange(len(results)))
    assert len(x) == 2000
    early, late = x[:1000], x[1200:]
    sd = np.nanstd(early, axis=0)
    distances = [np.sqrt(((rows / sd) ** 2).sum(axis=1)) for rows in (early, late)]
    assert np.nanmedian(distances[1]) < 0.9 * np.nanmedian(distances[0])
    # features are not finite where there are few spikes, and the cell has many
    assert np.isfinite(distances[1]).mean() > np.isfinite(distances[0]).mean() + 0.1
    spread = np.array(
        [
            [results.table.array(name)[rows].std() for name in search.plan.problem.names]
            for rows in (slice(1000), slice(1200, None))
        ]
    )
    assert (spread[1] / spread[0]).min() < 0.6 and (spread[1] / spread[0]).max() < 1.1
    posterior = Finding.load(tmp_path / "run/inference/0_npe")
    assert np.isfinite(posterior.tables["performance"]["distance mean"]).any()
