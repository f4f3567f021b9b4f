"""Warnings about posteriors are true, have their figure, and stand alike in terminal, summary and report."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from npe_toys import OFFSET, SIGMA, linear, observed, table

import hpcsim
from hpcsim.inference.finding import Finding
from hpcsim.inference.note import is_warning
from hpcsim.inference.npe.diagnostics import Calibration
from hpcsim.inference.npe.notes import (
    coverage_notes,
    distance_notes,
    leakage_notes,
    overfitting_notes,
    range_notes,
)
from hpcsim.inference.observations import out_of_range


def ranked(width: float, shift: float = 0.0, n: int = 200) -> Calibration:
    """Ranks of normal truths among samples of a normal posterior that is `width` times as wide as the right one."""
    from scipy.stats import chi2, norm

    truth = np.random.default_rng(4).normal(size=(n, 2)) + np.array([shift, 0])
    ranks = pd.DataFrame(np.round(200 * norm.cdf(truth / width)), columns=["a", "b"])
    inside = chi2.cdf(((truth - [shift, 0]) ** 2).sum(axis=1) / width**2, 2)
    return Calibration(ranks, np.round(200 * (1 - inside)), 200)


def test_a_right_posterior_gets_no_note():
    assert list(coverage_notes(ranked(1.0))) == []


def test_an_overconfident_posterior_gets_its_sentence_with_figures_and_what_helps():
    first, *_ = coverage_notes(ranked(0.6))
    assert first.kind == "overconfident" and is_warning(first) and first.figure < 0.005
    assert first.startswith("The posterior is overconfident, too narrow: its regions of 50/80/95 % hold ")
    assert "of 200 truths that were held back (p = " in first
    for word in ("more simulations", "ensemble", "truncation"):
        assert word in first.advice


def test_a_cautious_posterior_is_no_alarm():
    (note, *_) = coverage_notes(ranked(1.8))
    assert note.kind == "underconfident" and not is_warning(note)


def test_a_shifted_parameter_is_named():
    (note,) = coverage_notes(ranked(1.0, shift=0.5))
    assert note.kind == "ranks" and "a (mean rank 0.6" in note and "b (" not in note


@pytest.mark.parametrize(("gap", "n", "told"), [(0.05, 5000, False), (1.0, 5000, True), (1.0, 1, False), (-1.0, 500, False)])
def test_overfitting_is_judged_by_the_loss_on_other_simulations(gap, n, told):
    random = np.random.default_rng(0)
    notes = list(overfitting_notes(random.normal(size=5000), gap + random.normal(size=n)))
    assert bool(notes) == told
    if told:
        assert notes[0].kind == "overfitting" and notes[0].figure == pytest.approx(gap, abs=0.1)


def test_leakage_is_told_for_each_observation():
    names = pd.Index(["A", "B", "C"])
    (note,) = leakage_notes(np.array([3.0, 60.0, 30.0]), names)
    assert "at 2 of 3 observations: B 60 %, C 30 %" in note and note.figure == 60 and is_warning(note)
    assert not list(leakage_notes(np.array([3.0, 10.0, 0.0]), names))


@pytest.mark.parametrize(("share", "kind", "alarm"), [(0.0004, "edge_of_range", False), (0.5, "out_of_range", True)])
def test_an_observation_is_a_guess_where_it_is_far_out_not_where_it_is_just_outside(share, kind, alarm):
    """The simulations go from 0 to 1 with an sd of 0.29."""
    cells = table(np.array([[1 + share, 0.5, 0.5]]))
    found = out_of_range(cells, list(cells.columns), np.zeros(3), np.ones(3), np.full(3, 0.29))
    (note,) = range_notes(found, 1)
    assert note.kind == kind and is_warning(note) == alarm
    assert note.figure == pytest.approx(share / 0.29)
    assert ("a guess" in note) == alarm and "standard deviations beyond 0 to 1" in note


def test_an_observation_far_from_all_simulations_within_the_range_of_each_feature():
    (note,) = distance_notes(np.array([0.5, 3.0, 9.0]), pd.Index(["A", "B", "C"]), ["C"])
    assert "1 of 3 observations are far from all simulations" in note and "B 3.0 times" in note


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A posterior of few simulations, and observations inside, at the edge of the prior, far off and in an empty corner."""
    place = tmp_path_factory.mktemp("run")
    cells = observed(4)
    cells.iloc[1] = OFFSET + np.array([6.0, -1.8, 3.0])  # a = 6, where the prior ends at 2
    cells.iloc[2, 0] = 40.0
    cells.iloc[3] = OFFSET + np.array([1.5, 2.5, -1.5])  # one feature denies the other two
    cells.to_csv(place / "cells.csv")
    method = {
        "use": "inference.npe", "of": ["x"], "observations": str(place / "cells.csv"), "hidden": 16, "transforms": 2,
        "rate": 4e-3, "epochs": 40, "batch": 50, "samples": 50, "checks": 2, "calibration": 100,
    }  # fmt: skip
    space = {"a": {"uniform": [-2, 2]}, "b": {"normal": [0, 1]}}
    study = hpcsim.Study("toy", linear, space=space, design={"method": "random", "n": 1500}, seed=7, inference=[method])
    study.run("inline", place / "toy").close()
    return study, study.directory(place / "toy")


def test_the_same_notes_in_summary_report_and_terminal(run, capsys):
    from hpcsim.cli.terminal import print_findings

    _, directory = run
    place = directory.inference / "0_npe"
    found = Finding.load(place)
    kinds = {note.kind for note in found.notes if is_warning(note)}
    assert {"leakage", "out_of_range", "far"} <= kinds and "overfitting" not in kinds and "overconfident" not in kinds
    print_findings([found], directory)
    printed = " ".join(capsys.readouterr().out.split())
    page = " ".join(directory.report.read_text().replace("&#39;", "'").split())
    summary = json.loads((place / "summary.json").read_text())
    assert {warning["kind"] for warning in summary["warnings"]} == kinds
    for note in found.notes:
        if is_warning(note):
            assert f"warning: {note}" in printed and f"Warning: {note}" in page and note in summary["notes"]


def test_leakage_of_each_observation_is_in_the_summary(run):
    found = Finding.load(run[1].inference / "0_npe")
    leaks = found.metrics["posterior outside the prior (%)"]
    assert list(leaks) == ["cell0", "cell1", "cell2", "cell3"] and leaks["cell0"] < 5 and leaks["cell1"] > 50
    # the table of what was observed may lie beside it
    assert "observations" not in found.tables
    rows = found.tables["each_observation"]
    assert rows.columns.tolist() == ["outside the prior (%)", "out of range (sd)", "remoteness"]
    assert rows["remoteness"].idxmax() == "cell2" and rows.loc["cell0", "remoteness"] < 1.5 < rows.loc["cell3", "remoteness"]


def test_a_distance_means_the_same_for_one_observation_and_for_many(run, tmp_path):
    """Alone or among others, the distance of a cell is measured in the spread of the simulations."""
    _, directory = run
    found = Finding.load(directory.inference / "0_npe")
    performance = found.tables["performance"]
    assert performance["distance in sd of"].tolist() == ["simulations"] * 2
    assert any("each in its standard deviation over the 1500 simulations" in note for note in found.notes)
    with hpcsim.open(directory.path) as results:
        sd = results.features(["x"]).to_numpy().std(axis=0)
    maxima = found.tables["maximum"]
    from npe_toys import MATRIX

    cells = pd.read_csv(directory.path.parent / "cells.csv", index_col=0)
    expected = np.linalg.norm((maxima[["a", "b"]].to_numpy() @ MATRIX.T + OFFSET - cells.to_numpy()) / sd, axis=1)
    assert performance.loc["MAP", "distance mean"] == pytest.approx(expected.mean(), abs=3 * SIGMA / sd.min())


def test_cells_that_agree_in_a_feature_are_measured_in_the_others(tmp_path):
    from hpcsim.errors import ResultsError
    from hpcsim.inference.predictive import distances, performance

    cells = table(np.array([[1.0, 2.0, 0.1 + 0.2], [3.0, 2.0, 0.3]]))
    some = cells + np.array([1.0, 5.0, 5.0])
    np.testing.assert_allclose(distances(cells, some), [1, 1])
    assert performance(cells, {"MAP": some}).loc["MAP", "fail (%)"] == 0
    some.iloc[0, 1] = np.nan
    assert performance(cells, {"MAP": some}).loc["MAP", "fail (%)"] == 50
    with pytest.raises(ResultsError, match="2 observations do not differ in any feature"):
        distances(cells.assign(**{"x.one": 1.0}), some)


def test_a_feature_equal_in_all_cells_is_told(tmp_path):
    cells = observed(3)
    cells["x.two"] = 10.0
    cells.to_csv("cells.csv")
    method = {
        "use": "inference.npe", "of": ["x"], "observations": "cells.csv", "distance": "observations", "hidden": 8,
        "transforms": 2, "epochs": 2, "samples": 20, "checks": 2, "calibration": 0,
    }  # fmt: skip
    space = {"a": {"uniform": [-2, 2]}, "b": {"normal": [0, 1]}}
    study = hpcsim.Study("toy", linear, space=space, design={"method": "random", "n": 400}, seed=7, inference=[method])
    study.run("inline", "toy").close()
    found = Finding.load(study.directory("toy").inference / "0_npe")
    assert any("x.two has one value in all observations: it counts for nothing" in note for note in found.notes)
    rows = found.tables["performance"]
    assert (rows["fail (%)"] == 0).all() and np.isfinite(rows["distance mean"]).all()
    assert rows["distance in sd of"].tolist() == ["observations"] * 2
