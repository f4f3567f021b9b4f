from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fake_results import gaussian
from PIL import Image

from hpcsim.errors import ResultsError
from hpcsim.inference.regression.plots import mse_distribution, predicted_against_true
from hpcsim.plot.sweep import sweep_overview, timing
from hpcsim.plotting import canvas, label, pretty_unit, save, squared


def test_units_are_printed_as_people_write_them() -> None:
    assert [pretty_unit(unit) for unit in ("um", "nA um", "uS/cm**2", "mV", "us")] == [
        "µm",
        "nA µm",
        "µS/cm²",
        "mV",
        "µs",
    ]
    assert [squared(unit) for unit in ("nA", "nA um", "")] == ["nA²", "(nA µm)²", ""]


def test_png_of_150_dpi_that_is_the_same_every_time(tmp_path: Path) -> None:
    def draw(name: str) -> Path:
        figure, axes = canvas(2)
        axes[0].plot([1, 2])
        return save(figure, tmp_path / "new" / name)

    first, second = draw("a.png"), draw("b.png")
    assert first.read_bytes() == second.read_bytes()
    with Image.open(first) as image:
        assert image.info["dpi"] == pytest.approx((150, 150), abs=0.1)
        assert image.size == (1200, 525)


def test_a_notebook_shows_figures_and_axes_without_pyplot() -> None:
    formatters = pytest.importorskip("IPython.core.formatters")
    figure, [ax] = canvas(1)
    ax.plot([1, 2])
    for thing in (figure, ax):
        shown, _ = formatters.DisplayFormatter().format(thing)
        assert shown["image/png"].startswith(b"\x89PNG") and len(shown["image/png"]) > 3000


def test_a_dollar_in_a_name_is_no_mathematics(tmp_path: Path) -> None:
    figure, (ax,) = canvas(1)
    label(ax, r"a$\frac$b", "y_$", "t$x")
    save(figure, tmp_path / "a.png")
    assert ax.get_xlabel() == r"a$\frac$b"


def test_predictions_stand_over_true_values() -> None:
    true = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
    predicted = true + 0.5
    predicted[2, 0] = np.nan
    figure = predicted_against_true(true, predicted, true * 0.1, ["a", "b"], ["nA", ""], [0.25, 0.26], [1.0, 2.0])
    first, second = figure.axes
    assert np.asarray(first.collections[-1].get_offsets()).tolist() == [[1.0, 1.5], [2.0, 2.5]]
    assert len(np.asarray(second.collections[-1].get_offsets())) == 3
    assert first.get_xlim() == first.get_ylim()
    assert (first.get_xlabel(), second.get_ylabel()) == ("true a (nA)", "predicted b")
    assert first.get_title(loc="left") == "MSE 0.25  ·  predicting the mean 1 nA²"


def test_the_baseline_is_marked() -> None:
    errors = np.geomspace(0.01, 0.1, 50)[:, None]
    (ax,) = mse_distribution(errors, np.full((50, 1), 3.0), ["J_ext"], ["nA"]).axes
    marks = [line.get_xdata()[0] for line in ax.lines]  # type: ignore[index]
    assert marks == pytest.approx([errors.mean(), 3.0])
    assert sum(bar.get_height() for bar in ax.patches) == 50  # type: ignore[attr-defined]
    assert ax.get_xlabel() == "test MSE of J_ext (nA²)"


def test_errors_of_zero_are_drawn() -> None:
    (ax,) = mse_distribution(np.zeros((5, 1)), np.ones((5, 1)), ["a"], [""]).axes
    assert ax.get_xscale() == "linear"


@pytest.mark.parametrize("dims", [1, 2])
def test_overview_has_a_panel_a_feature_and_marks_failures(dims: int) -> None:
    results = gaussian(20, dims)
    results.status = ["failed", "crashed", *["ok"] * 18]
    features = results.features(["x"]).assign(rate=5.0)
    results.units = {**results.units, "x": "mV"}
    figure = sweep_overview(results, features)
    panels = [ax for ax in figure.axes if ax.get_title(loc="left")]
    assert [ax.get_title(loc="left") for ax in panels] == [*features.columns]
    values, failed = (np.asarray(panels[0].collections[k].get_offsets()) for k in (0, 1))
    assert (len(values), len(failed)) == (18, 2)
    assert failed[:, 0].tolist() == results.parameters["theta_0"].iloc[:2].tolist()
    assert panels[0].get_ylabel() == ("mV" if dims == 1 else "theta_1 (nA)")


def test_overview_needs_one_or_two_parameters() -> None:
    results = gaussian(20, 3)
    with pytest.raises(ResultsError, match=r"found 3 \(\['theta_0', 'theta_1', 'theta_2'\]\)"):
        sweep_overview(results, results.features(["x"]))
    with pytest.raises(ResultsError, match="0 features"):
        sweep_overview(gaussian(20, 1), pd.DataFrame())


def test_timing_counts_every_point() -> None:
    results = gaussian(40, 1)
    results.status = ["timeout"] * 10 + ["ok"] * 30
    (ax,) = timing(results).axes
    assert sum(bar.get_height() for bar in ax.patches) == pytest.approx(40)  # type: ignore[attr-defined]
    assert ax.get_title(loc="left").startswith("median 1.49 s")


def test_timing_needs_times(monkeypatch: pytest.MonkeyPatch) -> None:
    results = gaussian(10, 1)
    monkeypatch.setattr(type(results), "records", pd.DataFrame({"status": ["ok"] * 10}))
    with pytest.raises(ResultsError, match="no point has a wall_time"):
        timing(results)


def test_many_points_are_thinned_and_that_is_told() -> None:
    results = gaussian(12_001, 1)
    figure = sweep_overview(results, results.features(["x"]))
    assert len(np.asarray(figure.axes[0].collections[0].get_offsets())) == 4001
    assert figure.get_supxlabel() == "4001 of 12001 points drawn"


def test_bars_stay_visible_beside_a_far_baseline() -> None:
    errors = np.linspace(0.0099, 0.0101, 200)[:, None]
    (ax,) = mse_distribution(errors, np.full((200, 1), 5.0), ["a"], [""]).axes
    assert ax.get_xscale() == "log"
    assert len(ax.patches) == 5
    assert sum(bar.get_height() for bar in ax.patches) == 200  # type: ignore[attr-defined]
