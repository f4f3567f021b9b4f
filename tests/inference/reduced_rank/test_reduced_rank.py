from __future__ import annotations

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from fake_results import FakeResults
from gene_toys import TRUE, public, toy
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, MultiTaskElasticNet, Ridge
from sklearn.model_selection import cross_val_score

from hpcsim.errors import ResultsError, StudyError
from hpcsim.inference.reduced_rank.group_lasso import RIDGES, path
from hpcsim.inference.reduced_rank.latent import cross_validate
from hpcsim.inference.reduced_rank.reduced_rank import reduced_rank
from hpcsim.inference.reduced_rank.sparse import SparseReducedRank, best, mean_curves, nested_cross_validate, penalty_curves


def z(table):
    return ((table - table.mean()) / table.std(ddof=0)).to_numpy()


def test_the_genes_that_matter_are_selected_by_name():
    x, y = toy()
    fit = SparseReducedRank(rank=2, n_genes=3).fit(x, y)
    assert fit.genes_ == TRUE
    assert fit.W_.shape == (20, 2) and fit.V_.shape == (5, 2)
    assert set(np.flatnonzero(fit.W_.any(axis=1))) == {3, 8, 15}
    np.testing.assert_allclose(fit.V_.T @ fit.V_, np.eye(2), atol=1e-12)
    assert list(fit.gene_weights().index) == list(TRUE) and list(fit.target_weights().index) == list(y.columns)
    np.testing.assert_allclose(fit.gene_weights().to_numpy(), fit.W_[[3, 8, 15]])


def test_a_prediction_is_the_product_of_the_weights():
    x, y = toy()
    fit = SparseReducedRank(rank=2, n_genes=3).fit(x, y)
    expected = z(x) @ fit.W_ @ fit.V_.T * y.std(ddof=0).to_numpy() + y.mean().to_numpy()
    np.testing.assert_allclose(fit.predict(x).to_numpy(), expected)
    residual, total = ((y - expected) ** 2).sum(), ((y - y.mean()) ** 2).sum()
    assert fit.scores(x, y) == pytest.approx(dict(1 - residual / total))
    in_sd = (1 / y.var(ddof=0)).to_numpy()
    assert fit.score(x, y) == pytest.approx(1 - (residual * in_sd).sum() / (total * in_sd).sum())
    np.testing.assert_allclose(fit.transform(x), z(x) @ fit.W_)


def test_latent_dimensions_are_principal_axes_with_fixed_signs():
    x, y = toy()
    fit = SparseReducedRank(rank=3, n_genes=6).fit(x, y)
    covariance = np.cov(fit.transform(x).T)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-9)
    assert (np.diff(np.diag(covariance)) < 0).all()
    assert (fit.V_[np.abs(fit.V_).argmax(axis=0), range(3)] > 0).all()


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_at_full_rank_it_is_the_multi_task_elastic_net(l1_ratio):
    """A rotation V leaves row norms as they are, so that W V' is what the net finds without V."""
    x, y = (z(table) for table in toy(noise=2.0))
    *_, last = path(x, y, 5, [0.8, 0.4, 0.2], l1_ratio)
    net = MultiTaskElasticNet(alpha=last.absolute, l1_ratio=l1_ratio, fit_intercept=False, tol=1e-8).fit(x, y)
    np.testing.assert_allclose(last.w @ last.v.T, net.coef_.T, atol=2e-4)
    assert 3 <= len(last.selected) < 20


def test_a_penalty_just_below_the_largest_selects_one_gene_and_one_above_none():
    x, y = (z(table) for table in toy())
    above, below = path(x, y, 1, [1.0001, 0.95], 1.0)
    assert len(above.selected) == 0 and len(below.selected) == 1


def test_free_directions_are_not_left_to_rounding_errors():
    """While one gene is selected, the second latent dimension is free; the path after it must not depend on noise."""
    x, y = (z(table) for table in toy(n=200))
    one, other = (list(path(x * factor, y, 2, np.geomspace(0.9, 0.2, 12), 1.0)) for factor in (1.0, 1 + 1e-13))
    assert {len(solution.selected) for solution in one} >= {1, 3}
    for first, second in zip(one, other, strict=True):
        np.testing.assert_allclose(first.v.T @ first.v, np.eye(2), atol=1e-9)
        np.testing.assert_array_equal(first.selected, second.selected)
        np.testing.assert_allclose(first.w @ first.v.T, second.w @ second.v.T, atol=1e-3)


def test_the_relaxed_refit_is_the_ridge_of_the_lowest_generalised_cross_validation_error():
    x, y = toy(n=60, noise=1.5)
    fit = SparseReducedRank(rank=5, n_genes=8).fit(x, y)
    some = z(x)[:, [list(x.columns).index(name) for name in fit.genes_]]
    errors, weights = [], []
    for strength in RIDGES:
        hat = some @ np.linalg.solve(some.T @ some + 60 * strength * np.eye(some.shape[1]), some.T)
        errors.append(((z(y) - hat @ z(y)) ** 2).sum() / (60 - np.trace(hat)) ** 2)
        weights.append(Ridge(alpha=60 * strength, fit_intercept=False).fit(some, z(y)).coef_.T)
    assert 0 < np.argmin(errors) < len(RIDGES) - 1
    np.testing.assert_allclose(fit.gene_weights() @ fit.V_.T, weights[np.argmin(errors)], atol=1e-10)


def test_a_refit_of_low_rank_is_the_best_one_of_that_rank():
    """Of the ridge, the rank that keeps most of its fitted values: their principal components."""
    x, y = toy(noise=0.5)
    whole, some = (SparseReducedRank(rank, 4).fit(x, y) for rank in (5, 1))
    if whole.genes_ != some.genes_:
        some = SparseReducedRank(1, 4).fit(x[list(whole.genes_)], y)
    least_squares = np.linalg.lstsq(z(x)[:, [list(x.columns).index(name) for name in some.genes_]], z(y), rcond=None)[0]
    fitted = z(x[list(some.genes_)]) @ least_squares
    direction = np.linalg.svd(fitted, full_matrices=False)[2][0]
    assert abs(direction @ some.V_[:, 0]) == pytest.approx(1, abs=1e-4)


def test_the_refit_undoes_the_shrinkage_of_the_lasso():
    x, y = toy()
    relaxed, shrunk = (SparseReducedRank(2, 3, relaxed=word).fit(x, y).score(x, y) for word in (True, False))
    alone = LinearRegression().fit(x[list(TRUE)], z(y)).score(x[list(TRUE)], z(y))
    assert alone - 0.01 < relaxed < alone and shrunk < 0.8 * alone


def test_penalty_instead_of_number_of_genes():
    x, y = toy()
    by_number = SparseReducedRank(2, n_genes=3).fit(x, y)
    by_penalty = SparseReducedRank(2, penalty=by_number.penalty_).fit(x, y)
    np.testing.assert_allclose(by_penalty.W_, by_number.W_, atol=1e-12)
    with pytest.raises(ResultsError, match=r"penalty 0.9999999 selects no gene; use a lower one"):
        SparseReducedRank(5, penalty=0.9999999).fit(x, y)


def test_it_is_an_estimator_of_scikit_learn():
    x, y = toy()
    copy = clone(SparseReducedRank(rank=1, n_genes=2, l1_ratio=0.9))
    assert copy.get_params() == {"rank": 1, "n_genes": 2, "penalty": None, "l1_ratio": 0.9, "relaxed": True}
    scores = cross_val_score(SparseReducedRank(2, 3), x.to_numpy(), y.to_numpy(), cv=3)
    assert scores.shape == (3,) and (scores > 0.6).all()
    with pytest.raises(ResultsError, match=r'no option "n_gene"; did you mean "n_genes"'):
        copy.set_params(n_gene=3)


def test_arrays_in_arrays_out():
    x, y = toy()
    fit = SparseReducedRank(2, 3).fit(x.to_numpy(), y.to_numpy())
    assert fit.genes_ == ("x3", "x8", "x15") and fit.targets_[0] == "y0"
    np.testing.assert_allclose(fit.predict(x.to_numpy()), SparseReducedRank(2, 3).fit(x, y).predict(x))
    with pytest.raises(ResultsError, match=r"shape \(300, 3\); expected 20 columns"):
        fit.predict(x.to_numpy()[:, :3])


def test_the_choice_of_rank_and_penalty():
    x, y = toy()
    curves = penalty_curves(x, y, (1, 2), folds=3, seed=1)
    table = mean_curves(curves)
    assert set(table["rank"]) == {1, 2} and len(curves) == 3 * len(table)
    rank, penalty = best(curves)
    assert rank == 2
    at_best = curves[(curves["rank"] == 2) & (curves["penalty"] == penalty)]
    assert table["R2"].max() == pytest.approx(at_best["R2"].mean())
    # the same fold, fitted by the estimator
    again = cross_validate(SparseReducedRank(2, penalty=penalty), x, y, folds=3, seed=1)
    np.testing.assert_allclose(again["R2"], at_best["R2"], atol=1e-6)
    nested = nested_cross_validate(x, y, (1, 2), folds=3, inner_folds=2, seed=1)
    assert list(nested["rank"]) == [2] * 3 and (nested["genes"] >= 3).all()
    assert nested["R2"].mean() == pytest.approx(at_best["R2"].mean(), abs=0.02)


def test_equal_seeds_give_equal_folds():
    x, y = toy(n=60)
    first, again, other = (penalty_curves(x, y, (1,), folds=3, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not np.allclose(first["R2"].mean(), other["R2"].mean())


def test_nothing_is_found_where_nothing_is():
    x, _ = toy()
    _, y = toy(seed=9)
    nested = nested_cross_validate(x, y, (1,), folds=3, inner_folds=2)
    assert nested["R2"].mean() < 0.02


def test_published_numbers(bernaerts_data):
    """Bernaerts et al. 2025 from the public counts: 0.181 +- 0.035 at rank 2 and 29 genes; r_SS 0.60, gKd 0.36, gKv3.1 0.31."""
    x, y = public(bernaerts_data)
    assert x.shape == (942, 59)
    scores = cross_validate(SparseReducedRank(2, 25), x, y, folds=10, seed=42)
    assert scores["genes"].mean() == pytest.approx(25, abs=2)
    assert scores["R2"].mean() == pytest.approx(0.181, abs=0.005)
    assert scores["R2"].std(ddof=0) == pytest.approx(0.035, abs=0.006)
    assert scores["r_SS"].mean() == pytest.approx(0.60, abs=0.01)
    assert scores["gKd_mS_cm2"].mean() == pytest.approx(0.36, abs=0.015)
    assert scores["gKv31_mS_cm2"].mean() == pytest.approx(0.31, abs=0.015)
    assert scores["E_leak_mV"].mean() < 0.02
    # at rank 13 and 25 genes 0.189 +- 0.033
    assert cross_validate(SparseReducedRank(13, 25), x, y)["R2"].mean() == pytest.approx(0.189, abs=0.006)


def test_published_weights(bernaerts_data):
    """The two published latent dimensions, of 427 genes, come back from the 59 that are public."""
    x, y = public(bernaerts_data)
    fit = SparseReducedRank(2, 25).fit(x, y)
    genes = pd.read_csv(bernaerts_data / "m1_srrr_genes.csv", index_col=0)
    parameters = pd.read_csv(bernaerts_data / "m1_srrr_params.csv", index_col=0)
    both = [name for name in fit.genes_ if name in genes.index]
    assert len(both) >= 12
    for k in range(2):
        match = np.corrcoef(fit.V_[:, k], parameters.iloc[:, k])[0, 1]
        assert abs(match) > 0.95
        weights = fit.gene_weights().loc[both].iloc[:, k] * np.sign(match)
        assert np.corrcoef(weights, genes.loc[both].iloc[:, k])[0, 1] > 0.8


def test_all_public_genes(bernaerts_data):
    """0.197 +- 0.033 at rank 2 and 25 genes of 1000."""
    from hpcsim.inference.reduced_rank.genes import log_expression, matched, read_counts

    _, y = public(bernaerts_data)
    counts, y, _ = matched(read_counts(bernaerts_data / "m1_gene_counts.npz"), y, 900)
    scores = cross_validate(SparseReducedRank(2, 25), log_expression(counts), y, folds=3)
    assert scores["R2"].mean() == pytest.approx(0.195, abs=0.02)


def test_a_stored_fit_predicts_by_name(tmp_path):
    x, y = toy()
    fit = SparseReducedRank(2, 3).fit(x, y)
    fit.notes_["median library size"] = 1000.0
    fit.save(tmp_path)
    loaded = SparseReducedRank.load(tmp_path)
    assert loaded.genes_ == TRUE and loaded.targets_ == tuple(y.columns) and loaded.notes_ == fit.notes_
    shuffled = x[["g15", "g0", "g8", "g3"]].iloc[::-1]
    pd.testing.assert_frame_equal(loaded.predict(shuffled), fit.predict(x).iloc[::-1])
    assert loaded.score(x, y[y.columns[::-1]]) == fit.score(x, y)
    pd.testing.assert_frame_equal(loaded.gene_weights(), fit.gene_weights())
    with pytest.raises(ResultsError, match=r"1 of the 3 genes of the fit are missing: g8"):
        loaded.predict(x.drop(columns="g8"))
    with np.load(tmp_path / "fit.npz", allow_pickle=False) as arrays:
        assert set(arrays) == {"w", "v", "penalty", "x_scale", "y_scale"}


def test_a_damaged_or_other_fit_is_refused(tmp_path):
    x, y = toy()
    SparseReducedRank(2, 3).fit(x, y).save(tmp_path)
    about = json.loads((tmp_path / "fit.json").read_text())
    (tmp_path / "fit.json").write_text(json.dumps(about | {"kind": "bottleneck"}))
    with pytest.raises(ResultsError, match="found a fit of kind bottleneck, expected reduced_rank"):
        SparseReducedRank.load(tmp_path)
    (tmp_path / "fit.json").write_text(json.dumps(about))
    blob = (tmp_path / "fit.npz").read_bytes()
    (tmp_path / "fit.npz").write_bytes(blob[:-1] + b"x")
    with pytest.raises(ResultsError, match=r"fit\.npz is not the file that fit\.json describes"):
        SparseReducedRank.load(tmp_path)
    with pytest.raises(ResultsError, match="no fit can be read here"):
        SparseReducedRank.load(tmp_path / "nowhere")
    # whoever changes the one can change the other
    for changed in (blob[:-9], b"PK", blob[:300] + bytes(40) + blob[340:]):
        (tmp_path / "fit.npz").write_bytes(changed)
        (tmp_path / "fit.json").write_text(json.dumps(about | {"sha256": hashlib.sha256(changed).hexdigest()}))
        with pytest.raises(ResultsError, match="no fit can be read here"):
            SparseReducedRank.load(tmp_path)
    (tmp_path / "fit.npz").write_bytes(blob)
    twice = [about["genes"][0]] * len(about["genes"])
    for wrong in (
        {"genes": twice},
        {"targets": "['gNa']"},
        {"genes": ["g3"]},
        {"features": ["g3"]},
        {"options": {"no": 1}},
        {"options": {**about["options"], "rank": 2**31}},
        {"notes": 1},
    ):
        (tmp_path / "fit.json").write_text(json.dumps(about | wrong))
        with pytest.raises(ResultsError, match="no fit can be read here"):
            SparseReducedRank.load(tmp_path)


def broken(change):
    x, y = toy(n=40)
    return change(x, y)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x, y[:-1]), r"x has 40 rows and y 39"),
        (lambda x, y: (x, y.iloc[::-1]), r"not named alike"),
        (lambda x, y: (x, y.assign(tau=3.0)), r"constant targets tau"),
        (lambda x, y: (x.replace(x.iloc[4, 2], np.nan), y), r"x: row c4, column g2 is nan.*1 of 40 rows"),
        (lambda x, y: (x, y.replace(y.iloc[5, 1], np.inf)), r"y: row c5, column gK is inf"),
        (lambda x, y: (x.assign(g1="a"), y), r"x: expected numbers"),
        (lambda x, y: (x[["g1"]], y), r"rank 2 needs as many columns in x and y, found 1 and 5"),
        (lambda x, y: (x, y[["tau"]]), r"rank 2; expected 1 to 1"),
    ],
)
def test_data_that_cannot_be_fitted(change, message):
    with pytest.raises(ResultsError, match=message):
        SparseReducedRank(2, 3).fit(*broken(change))


def test_options_that_make_no_sense():
    x, y = toy(n=40)
    with pytest.raises(ResultsError, match=r"n_genes 0.*expected at least 1"):
        SparseReducedRank(2, 0).fit(x, y)
    with pytest.raises(ResultsError, match=r"penalty 2.0"):
        SparseReducedRank(2, penalty=2.0).fit(x, y)
    with pytest.raises(ResultsError, match="not fitted; call fit first"):
        SparseReducedRank().predict(x)


def tables(folder, n: int = 120):
    """Counts whose logarithm drives the parameters, with two cells that only one table has."""
    x, y = toy(n)
    counts = np.exp2(x.clip(lower=0)).round().astype(int)
    counts = counts.assign(rest=100_000, rare=[3] + [0] * (n - 1))
    counts.drop(index="c0").to_csv(folder / "counts.csv")
    y.drop(index="c1").assign(sim=1.0).to_csv(folder / "map.csv")
    pd.DataFrame({"kind": ["Sst", "Pvalb"] * (n // 2)}, index=x.index)[:-1].to_csv(folder / "families.csv")
    return {"genes": "counts.csv", "markers": [], "folds": 3, "inner_folds": 2, "n_genes": 3, "ranks": [1, 2]}


def test_the_method_from_tables(tmp_path):
    options = tables(tmp_path)
    finding = reduced_rank(
        FakeResults(pd.DataFrame(), {}), tmp_path / "out", seed=3,
        **options, parameters="map.csv", families="families.csv", family="kind",
    )  # fmt: skip
    assert set(finding.tables["gene_weights"].index) == set(TRUE)
    assert finding.metrics["cells"] == 118 and finding.metrics["genes"] == 21
    assert finding.metrics["R2"]["mean"] == pytest.approx(finding.tables["cross_validation"]["R2"].mean())
    assert finding.metrics["R2"]["mean"] > 0.5 and "R2 of tau" in finding.metrics
    assert finding.metrics["R2, rank and penalty chosen by nested cross-validation"]["mean"] > 0.5
    notes = " ".join(finding.notes)
    assert "1 cell (c1) in the table of genes alone, not in that of parameters: left out." in notes
    assert "1 cell (c0) in the table of parameters alone" in notes
    assert "1 parameter (sim) constant over all cells: left out." in notes
    assert "21 of 22 named genes are used; the others are not in the table or have fewer than 10 reads." in notes
    assert list(finding.tables["latent"].columns) == ["latent 1", "latent 2", "family"]
    families = finding.tables["latent"]["family"]
    assert families["c2"] == "Sst" and families["c3"] == "Pvalb" and families["c119"] == "unknown"
    assert all(path.stat().st_size > 10_000 for path in finding.figures.values()) and len(finding.figures) == 2
    loaded = SparseReducedRank.load(tmp_path / "out")
    assert loaded.notes_["median library size"] > 100_000
    assert (tmp_path / "out" / "curves.csv").exists()


def test_the_method_from_results(tmp_path):
    options = tables(tmp_path)
    _, y = toy(120)
    finding = reduced_rank(FakeResults(y.assign(solver="cvode"), {}), tmp_path / "out", **options)
    assert finding.metrics["cells"] == 119
    assert set(finding.tables["gene_weights"].index) == set(TRUE)
    assert list(finding.tables["parameter_weights"].index) == list(y.columns)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"genes": ""}, r'the option "genes" is empty'),
        ({"genes": "nowhere.csv"}, r"nowhere.csv: no table can be read here"),
        ({"targets": ["gNaa"]}, r'map.csv: there is no column "gNaa"; did you mean "gNa"'),
        ({"folds": 80}, r"118 cells can be used, at least 160 are needed.*use fewer folds"),
        ({"families": "families.csv", "family": "type"}, r'families.csv: there is no column "type"'),
        ({"rank": 6}, r"rank 6; expected 1 to 5"),
    ],
)
def test_the_method_complains(tmp_path, more, message):
    options = tables(tmp_path) | {"parameters": "map.csv"} | more
    with pytest.raises(ResultsError, match=message):
        reduced_rank(FakeResults(pd.DataFrame(), {}), tmp_path / "out", **options)


def test_an_unknown_option():
    with pytest.raises(StudyError, match='did you mean "n_genes"'):
        reduced_rank.complete({"n_gene": 3})


@pytest.mark.slow
def test_the_method_on_the_public_tables(tmp_path, bernaerts_data):
    names = pd.read_csv(bernaerts_data / "m1_map_2d.csv", index_col=0, nrows=1).columns[:13]
    finding = reduced_rank(
        FakeResults(pd.DataFrame(), {}), tmp_path, seed=42, genes=str(bernaerts_data / "m1_gene_counts.npz"),
        gene_list=str(bernaerts_data / "ion_channel_genes_go.csv"), parameters=str(bernaerts_data / "m1_map_2d.csv"),
        targets=list(names), families=str(bernaerts_data / "m1_observed_features.csv"), family="rna_family", network=True,
    )  # fmt: skip
    assert finding.metrics["R2"]["mean"] == pytest.approx(0.181, abs=0.005)
    assert finding.metrics["R2, rank and penalty chosen by nested cross-validation"]["mean"] == pytest.approx(0.19, abs=0.01)
    # published with 427 genes: 0.166 +- 0.029
    assert finding.metrics["R2 of the bottleneck network"]["mean"] > 0.16
    assert len(finding.figures) == 3 and any(note.startswith("13 cells (") for note in finding.notes)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_target_that_does_not_differ_from_its_mean_has_no_r2():
    random = np.random.default_rng(2)
    x = random.normal(size=(60, 5))
    y = x[:, :2] + 0.1 * random.normal(size=(60, 2))
    fit = SparseReducedRank(rank=1, n_genes=2).fit(x, y)
    still = np.column_stack([np.full(60, y[:, 0].mean()), y[:, 1]])
    scores = fit.scores(x, still)
    assert np.isnan(scores["y0"]) and np.isfinite(scores["y1"])
