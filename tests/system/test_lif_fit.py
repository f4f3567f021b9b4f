"""The shipped study hagen2022_lif_fit at its smallest scale, against the shipped ground truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hpcsim
from hpcsim.inference.finding import Finding
from hpcsim.inference.observations import read_observations
from hpcsim.inference.search.objectives import against, aims
from hpcsim.models.nest.hagen_lif import PRESETS
from hpcsim.paths import shipped_studies
from hpcsim.scheduler.observed_study import observe
from hpcsim.study.file import read, scaled

#: Bounds of the published fit, in the order of its variables (Fit_LIF_net of Hagen et al. 2022).
BOUNDS = {
    "J_EE": (1.1, 1.8), "J_IE": (1.5, 2.1), "J_EI": (-25, -18), "J_II": (-14, -8), "J_ext": (28, 32),
    "delay_EE": (1, 4), "delay_IE": (1, 4), "delay_EI": (1, 4), "delay_II": (1, 4), "C_m_E": (270, 310), "C_m_I": (100, 120),
}  # fmt: skip
WEIGHTS = ("J_EE", "J_IE", "J_EI", "J_II")
#: Recurrent weights are so many times larger where in-degrees are those of the ground truth: 0.5 over 0.05.
FACTOR = 10


@pytest.fixture
def smallest(tmp_path):
    """The tables of the fit at scale ci, with a ground truth of one point beside it."""
    truth = shipped_studies()["hagen2022_ps0"].read_text()
    line = next(line for line in truth.splitlines() if line.startswith("weight_scaling"))
    (tmp_path / "hagen2022_ps0.toml").write_text(truth.replace(line, "weight_scaling = [1.0]"))
    return scaled(read(shipped_studies()["hagen2022_lif_fit"]), "ci", "hagen2022_lif_fit")


def test_the_study_searches_within_the_published_bounds():
    full, small = hpcsim.Study.load("hagen2022_lif_fit"), hpcsim.Study.load("hagen2022_lif_fit", "ci")
    assert list(full.space.sampled) == list(small.space.sampled) == list(BOUNDS)
    for name, (low, high) in BOUNDS.items():
        factor = FACTOR if name in WEIGHTS else 1
        assert (full.space.sampled[name].low, full.space.sampled[name].high) == (low, high)
        assert (small.space.sampled[name].low, small.space.sampled[name].high) == (factor * low, factor * high)
    assert full.needs == small.needs == ("hagen2022_ps0",)
    # 26 frequencies from 0 to 200 Hz, as from segments of 2048 samples
    assert full.layout.shape("psd_E") == small.layout.shape("psd_E") == (26,)
    search = full.methods[0].options
    assert (search["population"], search["generations"]) == (100, 20)


@pytest.mark.slow
def test_the_published_fit_is_better_than_the_prior(smallest, tmp_path):
    """In all four objectives, at 32 and 8 neurons: its mean over five networks against the median of forty draws."""
    smallest = {**smallest, "design": {"method": "random", "n": 40}, "inference": []}
    prior = hpcsim.Study.of_tables(smallest, "prior", tmp_path)
    prior.input_study("hagen2022_ps0").run("inline", "runs/hagen2022_ps0").close()
    published = PRESETS["hagen2022"]
    values = {name: published[name] * (FACTOR if name in WEIGHTS else 1) for name in BOUNDS}
    # the published prediction, and so its parameters, are with 450 external synapses
    fixed = {**smallest["fixed"], **values, "n_ext_E": published["n_ext_E"]}
    head = {**smallest["study"], "name": "best", "replicates": 5}
    one = {key: value for key, value in smallest.items() if key not in ("space", "design")}
    best = hpcsim.Study.of_tables({**one, "study": head, "fixed": fixed}, "best", tmp_path)
    wanted = aims({"rate_E": "rate.E", "rate_I": "rate.I", "psd_E": "psd_E", "psd_I": "psd_I"}, "here")
    found = []
    for study in (prior, best):
        with study.run("inline") as results:
            features = results.features(["rate", "psd_E", "psd_I"])
            path = observe(study, study.directory(), "hagen2022_ps0", tmp_path / "observations.csv")
            units = {"rate": "Hz", "psd_E": "1/Hz", "psd_I": "1/Hz"}
            observed = read_observations(path, list(features.columns), units, where="weight_scaling == 1")
            objectives = against(wanted, list(features.columns), observed)
            found.append(np.stack([objective(features) for objective in objectives], axis=1))
    assert found[0].shape == (40, 4) and found[1].shape == (5, 4)
    assert (found[1].mean(axis=0) < np.median(found[0], axis=0)).all()


@pytest.mark.slow
def test_the_whole_study_runs_by_one_command(command):
    """Ground truth, prior, NSGA-II and NPE, in two minutes of CPU."""
    done = command("run", "hagen2022_lif_fit", "--scale", "ci", timeout=1800)
    assert done.returncode == 0, done.stderr
    assert "first hagen2022_ps0, which hagen2022_lif_fit needs" in done.stdout
    folder = Path("runs/hagen2022_lif_fit")
    search, posterior = (Finding.load(folder / "inference" / name) for name in ("0_nsga2", "1_npe"))
    assert search.metrics["evaluations"] == 25 and len(search.tables["features"]) == 54
    table = search.tables["objectives"]
    assert (table["least"] < table["median of the first generation"]).all()
    assert posterior.metrics["observations"] == 1 and np.isfinite(posterior.tables["performance"]["distance mean"]).all()
    for method in ("0_nsga2", "1_npe"):
        text = (folder / "inference" / method / "observations.csv").read_text()
        assert "hagen2022_ps0, weight_scaling = 1" in text and len(text.splitlines()) == 6
    assert (folder / "report.html").exists()
