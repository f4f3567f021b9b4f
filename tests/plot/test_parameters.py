"""Figures of features over parameters, and of spikes and spectra, show what the results hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from absent import needed

from hpcsim import Coordinate, Output, Parameter, Study, model, plot
from hpcsim.collector.results import Results
from hpcsim.errors import ResultsError


@model(
    "plot.worded",
    parameters=[Parameter("a", 1.0, "nA"), Parameter("b", 1.0), Parameter("kind", "ampa")],
    outputs=[Output("rate", unit="Hz"), Output("both", ("part",))],
    coordinates=lambda values: {"part": Coordinate(np.array(["one", "two"]))},
)
def worded(point, context):
    """A rate that is larger by 100 with a word."""
    return {"rate": point["a"] + 100.0 * (point["kind"] == "nmda"), "both": np.array([point["a"], point["b"]])}


def heights(collection) -> np.ndarray:
    """Values of a mesh, row by row."""
    return np.asarray(collection.get_array()).ravel()


def test_a_map_of_a_grid_with_missing_points(grid: Results):
    figure = plot.map(grid, "a", "b", "rate")
    ax = figure.axes[0]
    [mesh, crosses] = ax.collections
    a, b = np.array([1.0, 2, 3, 4]), np.array([0.5, 1, 2])
    expected = np.where(a > 3.5, np.nan, 2 * a + b[:, None])
    np.testing.assert_allclose(np.ma.filled(np.ma.asarray(mesh.get_array()), np.nan).reshape(3, 4), expected)
    assert np.asarray(crosses.get_offsets()).tolist() == [[4, 0.5], [4, 1], [4, 2]]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("a (nA)", "b (mV)")
    assert figure.axes[-1].get_ylabel() == "rate (Hz)"
    facets = plot.map(grid, "a", "b", "rate", facet="replicate")
    assert [ax.get_title(loc="left") for ax in facets.axes[:2]] == ["replicate = 0", "replicate = 1"]


def test_what_a_map_needs(grid: Results, searched: Results):
    with pytest.raises(ResultsError, match='"c" is no dimension of the grid; allowed: a, b, replicate'):
        plot.map(grid, "a", "c", "rate")
    with pytest.raises(ResultsError, match="site, time vary, too"):
        plot.map(grid, "a", "b", "v")
    with pytest.raises(ResultsError, match=r'the output "rat" was not kept.*did you mean "rate"'):
        plot.map(grid, "a", "b", "rat")
    with pytest.raises(ResultsError, match="has no grid"):
        plot.map(searched, "a", "b", "rate")
    with pytest.raises(ResultsError, match="b vary, too"):
        plot.map(grid, "a", "replicate", "rate")
    one = plot.map(grid, "a", "replicate", "rate", at={"b": 1.9})
    assert np.asarray(one.axes[0].collections[0].get_array()).ravel()[0] == 4.0


def test_a_map_of_points_that_go_together(tmp_path: Path):
    lists = {"a": [1.0, 1.0, 2.0, 2.0], "b": [1.0, 2.0, 1.0, 2.0]}
    with Study("pairs", worded, space={"zip": lists}).run("inline", tmp_path) as results:
        ax = plot.map(results, "zip_a", "replicate", "rate").axes[0]
        [mesh] = ax.collections
        assert heights(mesh).tolist() == [1, 1, 2, 2] and ax.get_xlabel() == "zip_a"
        # one replicate is a row that is seen
        corners = mesh.get_coordinates()  # type: ignore[attr-defined]
        assert corners[:, 0, 1].tolist() == [-0.5, 0.5] and corners[0, :, 0].tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5]
        assert [tick.get_text() for tick in ax.get_yticklabels()] == ["0"]
        with pytest.raises(ResultsError, match='"b" is no dimension of the grid; it goes along "zip_a"'):
            plot.map(results, "b", "replicate", "rate")


def test_a_map_at_words_and_of_many_values(tmp_path: Path):
    space = {"a": [float(a) for a in range(13)], "kind": ["nmda", "ampa"]}
    with Study("words", worded, space=space).run("inline", tmp_path) as results:
        one = plot.map(results, "a", "replicate", "rate", at={"kind": "nmda"})
        assert heights(one.axes[0].collections[0]).tolist() == [100.0 + a for a in range(13)]
        assert len(plot.map(results, "a", "replicate", "rate", facet="kind").axes) == 3
        with pytest.raises(ResultsError, match='kind has no "nmd"; did you mean "nmda"'):
            plot.map(results, "a", "replicate", "rate", at={"kind": "nmd"})
        with pytest.raises(ResultsError, match='"a" has 13 values, expected at most 12 panels'):
            plot.map(results, "kind", "replicate", "rate", facet="a")
        needed("sklearn")
        with pytest.raises(ResultsError, match=r'"both" has 2 columns; name one, such as "both\.one"'):
            plot.importance(results, "both")


def test_features_against_parameters(searched: Results):
    figure = plot.features(searched)
    assert [(ax.get_xlabel(), ax.get_ylabel()) for ax in figure.axes] == [("a (nA)", "rate (Hz)"), ("b (mV)", "")]
    theta, rate = searched.theta(), searched.features(["rate"])["rate"]
    np.testing.assert_array_equal(np.asarray(figure.axes[0].collections[0].get_offsets()), np.column_stack([theta["a"], rate]))
    with pytest.raises(ResultsError, match="no parameter varies"):
        plot.features(searched, parameters=[])


def test_pairs_and_importance(searched: Results):
    assert len(plot.pairs(searched, outputs=["rate"]).axes) == 6
    needed("sklearn")
    ax = plot.importance(searched, "rate")
    names = [text.get_text() for text in ax.get_yticklabels()]
    # the rate is 2 a + b: b reaches from 0.1 to 10, a to 3.5
    assert sorted(names) == ["a", "b"]
    widths = dict(zip(names, [bar.get_width() for bar in ax.patches], strict=True))  # type: ignore[attr-defined]
    assert min(widths.values()) > 0.02 and "R²" in ax.get_title(loc="left")


def test_spikes_and_spectra(grid: Results):
    ax = plot.raster(grid)
    first = grid.parameters["b"].iloc[0]
    assert np.asarray(ax.collections[0].get_offsets()).tolist() == [[1 + first, 0], [2 + first, 5], [40 + first, 2]]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (ms)", "neuron")
    ax = plot.spectrum(grid, "v", at={"site": "soma"})
    front = ax.lines[-1]
    x, y = (np.asarray(part) for part in (front.get_xdata(), front.get_ydata()))
    # the sine of 100 Hz
    assert x[y.argmax()] == pytest.approx(100) and len(ax.lines) == 18 and x.min() > 0
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("frequency (Hz)", "density of v (mV²/Hz)")
    with pytest.raises(ResultsError, match='"rate" holds no times'):
        plot.raster(grid, "rate")
    with pytest.raises(ResultsError, match='"rate" is one number, not over time'):
        plot.spectrum(grid, "rate")
