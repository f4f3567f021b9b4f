"""Figures of a search show what its results hold, and say what they do not."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from absent import needed
from drawn_toys import SAMPLER, search

import hpcsim
from hpcsim import Coordinate, Output, Parameter, model, plot
from hpcsim.collector.results import Results
from hpcsim.errors import ResultsError
from hpcsim.plot.search import hypervolume
from hpcsim.plot.searched import Searched


def points(ax, label: str) -> np.ndarray:
    """Offsets of the collection with a label."""
    [found] = [drawn for drawn in ax.collections if drawn.get_label() == label]
    return np.asarray(found.get_offsets())


def test_objectives_with_their_cutoffs(searched: Results):
    found = Searched.of(searched)
    # by hand: distance from 6 Hz in units of 0.5
    rate = 2 * searched.parameters["a"] + searched.parameters["b"]
    expected = np.where(searched.parameters["a"] > 3.5, np.nan, abs(rate - 6) / 0.5)
    np.testing.assert_allclose(found.objectives[:, 0], expected)
    assert found.accepted.sum() == (expected <= 3).sum() > 0 and np.isnan(expected).any()
    ax = plot.objectives(searched)
    accepted = points(ax, "accepted")
    assert sorted(accepted[: len(accepted)][accepted[:, 1] < 0.5][:, 0]) == sorted(expected[expected <= 3])
    assert points(ax, "best")[0].tolist() == [np.nanmin(expected), 0]
    [cutoff] = [drawn for drawn in ax.collections if drawn.get_label() == "cutoff"]
    assert [segment[0][0] for segment in cutoff.get_segments()] == [3.0]  # type: ignore[attr-defined]
    # the second objective is an output as it is, and has a unit of its own
    assert [text.get_text() for text in ax.get_yticklabels()] == ["rate", "raw (Hz)"]
    assert ax.get_xlabel() == "objective"


@model(
    "plot.scores",
    parameters=[Parameter("a", 1.0)],
    outputs=[Output("objective_sd", ("objective",)), Output("objective_raw", ("objective",))],
    coordinates=lambda values: {"objective": Coordinate(np.array(["width", "height"]))},
)
def scored(point, context):
    """Two objectives."""
    values = np.array([point["a"], 3.0 - point["a"]])
    return {"objective_sd": values, "objective_raw": values - 8.0}


def test_stored_objectives_of_any_study(tmp_path: Path):
    with hpcsim.Study("scores", scored, space={"a": [0.0, 1.0, 1.6, 3.0]}).run("inline", tmp_path) as results:
        ax = plot.objectives(results, "objective_sd")
        assert points(ax, "best").tolist() == [[1.6, 0], [1.4, 1]]
        assert sorted(points(ax, "evaluated")[:, 0]) == [0, 0, 1, 1.4, 1.6, 2, 3, 3]
        assert [text.get_text() for text in ax.get_yticklabels()] == ["width", "height"]
        assert ax.get_xlabel() == "objective (standard deviations)"
        assert plot.objectives(results, "objective_raw").get_xlabel() == "objective"
        with pytest.raises(ResultsError, match="was not kept; kept were: objective_sd"):
            plot.objectives(results, "objective_max")


def test_exploration_is_within_the_bounds(searched: Results):
    ax = plot.exploration(searched)
    tried, accepted = points(ax, "tried"), points(ax, "accepted")
    a, b = searched.parameters["a"] / 4, np.log10(searched.parameters["b"]) / 2 + 0.5
    np.testing.assert_allclose(np.sort(tried[:, 0]), np.sort([*a, *b]), atol=1e-9)
    assert len(accepted) == 2 * Searched.of(searched).accepted.sum()
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a (nA)", "b (mV)"]
    assert [text.get_text() for text in ax.texts] == ["0", "4", "0.1", "10 (log)"]


def test_convergence_never_grows(searched: Results):
    needed("moocore")
    figure = plot.convergence(searched)
    found = Searched.of(searched)
    over_evaluations, over_cpu, volume, _ = figure.axes
    best = np.asarray(over_evaluations.lines[0].get_ydata())
    np.testing.assert_allclose(best[-1], found.largest.min())
    assert (np.diff(best) <= 0).all() and over_evaluations.get_xlabel() == "evaluations"
    assert over_cpu.get_xlabel() == "CPU time (min)"
    spent = np.asarray(over_cpu.lines[0].get_xdata())
    np.testing.assert_allclose(spent[-1], searched.records["cpu_time"].sum() / 60)
    share = np.asarray(volume.lines[0].get_ydata())
    assert (np.diff(share) >= 0).all() and 0 < share[-1] <= 1


def test_the_hypervolume_of_a_known_front():
    needed("moocore")
    # nine tenths of these are below (1, 1): (0, 1/2) and (1/2, 0) leave a quarter of the box
    objectives = np.array([[1.0, 1.0]] * 98 + [[0.0, 0.5], [0.5, 0.0]])
    found = hypervolume(objectives)
    assert found is not None
    places, share = found
    assert places[-1] == 99 and share[0] == 0
    np.testing.assert_allclose(share[-1], 0.75)
    assert hypervolume(np.full((5, 2), np.nan)) is None


def test_lines_through_all_parameters(searched: Results):
    ax = plot.parallel_coordinates(searched)
    found = Searched.of(searched)
    grey, coloured = ax.collections[:2]
    assert len(coloured.get_segments()) == found.accepted.sum()  # type: ignore[attr-defined]
    assert len(grey.get_segments()) == np.isfinite(found.largest).sum() - found.accepted.sum()  # type: ignore[attr-defined]
    # the best is on top
    assert np.asarray(coloured.get_array())[-1] == found.largest.min()
    np.testing.assert_allclose(ax.lines[0].get_ydata(), found.problem.position(found.values[[found.best]])[0])
    assert [text.get_text() for text in ax.get_xticklabels()] == ["a (nA)", "b (mV)"]


def test_traces_of_accepted_points_with_the_best_in_front(searched: Results):
    ax = plot.traces(searched, at={"site": "tuft"})
    found = Searched.of(searched)
    assert len(ax.lines) == found.accepted.sum()
    front = ax.lines[-1]
    a = searched.parameters.loc[found.ids[found.best], "a"]
    np.testing.assert_allclose(np.max(front.get_ydata()), a / 2 - 60, rtol=1e-3)
    assert front.get_label() == found.ids[found.best][:8]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (ms)", "v (mV)")
    one = plot.traces(searched, "v", [found.ids[found.best][:10]], ax=ax)
    assert one is ax


def test_the_page_draws_the_best_of_the_accepted_points_in_front(searched: Results, tmp_path: Path):
    page = (Path(__file__).parents[2] / "docs/how-to/search.md").read_text()
    [code] = re.findall(r"```python\n(points = .*?)```", page, re.DOTALL)
    code = code.replace("brian2.cortical_hh", "drawn_toys:toy").replace("study.run()", 'study.run("inline", folder)')
    found = {"results": searched, "plot": plot, "hpcsim": hpcsim, "folder": tmp_path}
    exec(code.replace("plot.traces", "ax = plot.traces"), found)
    best, ax = Searched.of(searched), found["ax"]
    assert len(ax.lines) == best.accepted.sum()  # type: ignore[attr-defined]
    assert ax.lines[-1].get_label() == best.ids[best.best][:8]  # type: ignore[attr-defined]


def test_accepted_points_the_best_first(searched: Results):
    points = plot.accepted(searched)
    found = Searched.of(searched)
    assert len(points) == found.accepted.sum() and points.index[0] == found.ids[found.best]
    distance = abs(2 * points["a"] + points["b"] - 6)
    assert distance.is_monotonic_increasing and (distance <= 1.5).all()


def test_what_cannot_be_drawn_is_said(searched: Results, grid: Results, tmp_path: Path):
    with pytest.raises(ResultsError, match=r'the output "w" was not kept; kept were: v, rate, spikes, senders'):
        plot.traces(searched, "w")
    with pytest.raises(ResultsError, match='"rate" is one number, not over time'):
        plot.traces(searched, "rate")
    with pytest.raises(ResultsError, match='no dimension "sit"; did you mean "site"'):
        plot.traces(searched, "v", at={"sit": "soma"})
    with pytest.raises(ResultsError, match='site has no "axon"; allowed: soma, tuft'):
        plot.traces(searched, "v", at={"site": "axon"})
    with pytest.raises(ResultsError, match='no point begins with "zz"'):
        plot.traces(searched, "v", ["zz"])
    with pytest.raises(ResultsError, match="did not succeed"):
        plot.traces(searched, "v", [searched.failures.index[0]])
    with pytest.raises(ResultsError, match=r"squares has no \[sampler\]"):
        plot.objectives(grid)


def test_of_no_points_or_another_version(searched: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = Path(shutil.copy(searched.path, tmp_path / "results.h5"))
    with monkeypatch.context() as changed:
        changed.setattr(Results, "__len__", lambda self: 0)
        for draw in (plot.objectives, plot.traces, plot.features, plot.raster, plot.morphology):
            with pytest.raises(ResultsError, match="has no points yet: there is nothing to draw; run the study first"):
                draw(searched)
    with h5py.File(path, "r+") as file:
        file.attrs["format"] = "hpcsim-results/9"
    with pytest.raises(ResultsError, match=r'the format is "hpcsim-results/9", expected .*hpcsim-results/2; .*of this version'):
        hpcsim.open(path)


def test_cutoffs_that_differ_count_in_units_of_their_own(tmp_path: Path):
    table = {**SAMPLER, "evaluations": 8, "cutoffs": {"rate": 2.0, "raw": 10.0}}
    with search(tmp_path, sampler=table) as results:
        found = Searched.of(results)
        np.testing.assert_allclose(found.largest, (found.objectives / [2.0, 10.0]).max(axis=1))
        assert found.limit == 1.0 and "units of its cutoff" in plot.convergence(results).axes[0].get_ylabel()


def test_replicates_of_a_point_are_one_evaluation(tmp_path: Path):
    with search(tmp_path, sampler={**SAMPLER, "evaluations": 5}, replicates=3) as results:
        found = Searched.of(results)
        assert len(results) == 15 and len(found.values) == 5
        np.testing.assert_allclose(found.cpu.sum(), results.records["cpu_time"].sum())
        assert (found.ids == results.parameters.index[::3]).all()
