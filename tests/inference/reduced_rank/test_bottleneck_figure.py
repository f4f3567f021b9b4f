from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hpcsim.errors import ResultsError
from hpcsim.inference.reduced_rank.bottleneck_figure import bottleneck, correlations, gene_curves, principal_axes
from hpcsim.plotting import save


def cells(n: int = 200):
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(n, 2)) @ [[2.0, 0.5], [0.3, 1.0]]
    axes = principal_axes(latent)
    genes = pd.DataFrame({"Pvalb": axes[:, 0], "Vip": -axes[:, 1], "Noise": rng.normal(size=n), "Same": 1.0})
    parameters = pd.DataFrame({"g$Na": axes @ [1.0, 1.0], "tau": axes[:, 0] + rng.normal(size=n)})
    return latent, genes, parameters, ["Pvalb", "Sst", "Sst", "Vip"] * (n // 4)


def test_axes_are_uncorrelated_and_of_unit_size():
    axes = principal_axes(cells()[0])
    np.testing.assert_allclose(np.cov(axes.T, ddof=0), np.eye(2), atol=1e-12)
    np.testing.assert_allclose(principal_axes(-cells()[0]), -axes)


def test_the_squared_length_of_a_vector_is_the_explained_variance():
    latent, genes, parameters, _ = cells()
    axes = principal_axes(latent)
    found = correlations(genes, axes)
    np.testing.assert_allclose(found.loc["Pvalb"], [1, 0], atol=1e-12)
    np.testing.assert_allclose(found.loc["Vip"], [0, -1], atol=1e-12)
    np.testing.assert_array_equal(found.loc["Same"], [0, 0])
    design = np.column_stack([axes, np.ones(len(axes))])
    tau = parameters["tau"].to_numpy()
    residual = tau - design @ np.linalg.lstsq(design, tau, rcond=None)[0]
    assert (correlations(parameters, axes).loc["tau"] ** 2).sum() == pytest.approx(1 - residual.var() / tau.var())


def test_the_figure_names_vectors_and_families(tmp_path):
    latent, genes, parameters, families = cells()
    figure = bottleneck(latent, genes, parameters, families, shown=3, title="toy")
    left, right = figure.axes
    assert {text.get_text() for text in left.texts} == {"Pvalb", "Vip", "Noise"}
    assert {text.get_text() for text in right.texts} == {"g$Na", "tau"}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Sst", "Pvalb", "Vip"]
    assert sum(len(points.get_offsets()) for points in left.collections) == 200
    assert save(figure, tmp_path / "figure.png").stat().st_size > 10_000
    again = bottleneck(latent, genes, parameters, families, shown=3, title="toy")
    assert save(again, tmp_path / "again.png").read_bytes() == (tmp_path / "figure.png").read_bytes()


def test_no_name_covers_another():
    latent, _, parameters, families = cells()
    axes = principal_axes(latent)
    crowd = pd.DataFrame({f"gene{k}": axes[:, 0] + 0.01 * k * axes[:, 1] for k in range(16)})
    left = bottleneck(latent, crowd, parameters, families).axes[0]
    heights = np.sort([text.get_position()[1] for text in left.texts])
    low, high = left.get_ylim()
    assert len(heights) == 16 and np.diff(heights).min() > 0.03 * (high - low)
    assert low < heights[0] and heights[-1] < high


def test_without_families_there_is_no_legend():
    latent, genes, parameters, _ = cells()
    assert not bottleneck(latent, genes, parameters).legends


@pytest.mark.parametrize("change", [lambda latent: latent[:, :1], lambda latent: latent[:-1], lambda latent: latent[:2]])
def test_what_cannot_be_drawn(change):
    latent, genes, parameters, _ = cells()
    with pytest.raises(ResultsError, match="expected at least 3 cells in at least 2 dimensions, and as many rows"):
        bottleneck(change(latent), genes, parameters)


def test_curves_have_a_line_a_rank():
    curves = pd.DataFrame({"rank": [1, 1, 2, 2], "genes": [0.0, 5, 4, 9], "R2": [0.0, 0.1, 0.15, 0.2], "R2 sd": 0.01})
    (ax,) = gene_curves(curves, 5, 0.15, 0.03).axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in ax.lines if str(line.get_label()).startswith("rank")}
    # nothing is drawn where no gene is selected
    assert lines == {"rank 1": [[5, 0.1]], "rank 2": [[4, 0.15], [9, 0.2]]}
