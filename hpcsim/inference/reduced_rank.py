"""Sparse reduced-rank regression: parameters of cells from a few of their genes, through a few latent dimensions.

Kobak et al. 2021, doi:10.1111/rssc.12494; Bernaerts et al. 2025 go from genes to conductances with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.errors import ModelError, ResultsError
from hpcsim.inference.genes import (
    MARKERS,
    MIN_COUNTS,
    chosen_genes,
    columns_of,
    log_expression,
    matched,
    read_counts,
    read_table,
    varying_columns,
)
from hpcsim.inference.latent import LatentRegression, cross_validate, parts
from hpcsim.inference.method import Finding, Options, ResultsLike, method, varying
from hpcsim.inference.row_lasso import Solution, path, principal, relaxed_solution
from hpcsim.space.parameter import Parameter

if TYPE_CHECKING:
    from pandas import DataFrame

#: Penalties of a path, as fractions of the least penalty that selects no gene.
PENALTIES = np.geomspace(0.9, 0.02, 30)
#: A curve ends where more genes are selected: the cost grows with them, and nobody reads the figure.
MOST_GENES = 100
RANKS = (1, 2, 5, 13)


class SparseReducedRank(LatentRegression):
    """Sparse reduced-rank regression.

    Parameters
    ----------
    rank : int
        Latent dimensions, at most the number of targets.
    n_genes : int
        How many genes to select; of the path of penalties, the fit whose number is nearest is taken.
    penalty : float, optional
        Fraction of the least penalty that selects no gene, instead of `n_genes`.
    l1_ratio : float
        1 for the row lasso; less for the elastic net, which selects more of correlated genes.
    relaxed : bool
        Refit the selected genes with a ridge: the lasso shrinks what it keeps.

    Attributes
    ----------
    W_ : ndarray, shape (features, rank)
        From z-scored features to latent dimensions; rows of genes that are not selected are 0.
    V_ : ndarray, shape (targets, rank)
        From latent dimensions to z-scored targets; orthonormal columns. The dimensions are the principal axes of
        the latent cells, and the entry of a column that is largest in size is positive.
    penalty_ : float
        The penalty of the fit.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(1).normal(size=(300, 8))
    >>> y = x[:, [2, 5]] @ [[1.0, 2.0, 0.5], [-1.0, 0.5, 1.0]]
    >>> fit = SparseReducedRank(rank=2, n_genes=2).fit(x, y)
    >>> fit.genes_, round(fit.score(x, y), 1)
    (('x2', 'x5'), 1.0)
    """

    kind = "reduced_rank"

    def __init__(
        self, rank: int = 2, n_genes: int = 25, penalty: float | None = None, l1_ratio: float = 1.0, relaxed: bool = True
    ) -> None:
        self.rank, self.n_genes, self.penalty = rank, n_genes, penalty
        self.l1_ratio, self.relaxed = l1_ratio, relaxed

    def gene_weights(self) -> DataFrame:
        """W of the selected genes, shape (genes, rank)."""
        import pandas

        rows = [self.features_in_.index(name) for name in self.genes_]
        return pandas.DataFrame(self.W_[rows], index=list(self.genes_), columns=_axes(self.rank)).rename_axis("gene")

    def target_weights(self) -> DataFrame:
        """V, shape (targets, rank)."""
        import pandas

        return pandas.DataFrame(self.V_, index=list(self.targets_), columns=_axes(self.rank)).rename_axis("target")

    def _fit(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        if not 1 <= self.rank <= y.shape[1]:
            raise ResultsError(f"rank {self.rank}; expected 1 to {y.shape[1]}, the number of targets")
        if self.n_genes < 1 or not 0 < self.l1_ratio <= 1 or not 0 < (self.penalty or 0.5) < 1:
            raise ResultsError(
                f"n_genes {self.n_genes}, l1_ratio {self.l1_ratio}, penalty {self.penalty}; expected at least 1, "
                "above 0 and at most 1, and between 0 and 1"
            )
        solution = self._with_penalty(x, y) if self.penalty is not None else self._with_genes(x, y)
        if self.relaxed:
            solution = relaxed_solution(x, y, solution)
        self.W_, self.V_ = principal(x, solution.w, solution.v)
        self.penalty_ = solution.penalty
        return solution.selected

    def _with_penalty(self, x: np.ndarray, y: np.ndarray) -> Solution:
        larger = [penalty for penalty in PENALTIES if penalty > (self.penalty or 0)]
        *_, last = path(x, y, self.rank, [*larger, self.penalty or 0], self.l1_ratio)
        if not len(last.selected):
            raise ResultsError(f"the penalty {self.penalty} selects no gene; use a lower one, or n_genes")
        return last

    def _with_genes(self, x: np.ndarray, y: np.ndarray) -> Solution:
        found: list[Solution] = []
        for solution in path(x, y, self.rank, PENALTIES, self.l1_ratio):
            if len(solution.selected):
                found.append(solution)
            if len(solution.selected) >= self.n_genes:
                break
        if not found:
            raise ResultsError("no penalty selects a gene: the targets do not depend on any of the columns of x")
        return min(found, key=lambda solution: abs(len(solution.selected) - self.n_genes))

    def _latent(self, x: np.ndarray) -> np.ndarray:
        latent: np.ndarray = x @ self.gene_weights().to_numpy()
        return latent

    def _decoded(self, latent: np.ndarray) -> np.ndarray:
        decoded: np.ndarray = latent @ self.V_.T
        return decoded

    def _arrays(self) -> dict[str, np.ndarray]:
        return {"w": self.W_, "v": self.V_, "penalty": np.array(self.penalty_)}

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.W_, self.V_, self.penalty_ = arrays["w"], arrays["v"], float(arrays["penalty"])


def _axes(rank: int) -> list[str]:
    return [f"latent {k + 1}" for k in range(rank)]


def penalty_curves(
    x: DataFrame | np.ndarray,
    y: DataFrame | np.ndarray,
    ranks: Sequence[int] = RANKS,
    *,
    folds: int = 10,
    seed: int = 42,
    l1_ratio: float = 1.0,
    relaxed: bool = True,
) -> DataFrame:
    """Cross-validated R2 for each rank and each of `PENALTIES`, until more than `MOST_GENES` are selected.

    Parameters
    ----------
    x : DataFrame or ndarray, shape (cells, genes)
    y : DataFrame or ndarray, shape (cells, targets)
    ranks : sequence of int
    folds, seed : int
    l1_ratio, relaxed
        As of :class:`SparseReducedRank`.

    Returns
    -------
    DataFrame, shape (up to ranks * penalties * folds, 5)
        Columns rank, penalty, fold, genes (selected in the train part), R2 (of the test part).
    """
    import pandas

    every_x, every_y = np.asarray(x, float), np.asarray(y, float)
    rows = []
    for fold, (train, test) in enumerate(parts(len(every_x), folds, seed)):
        (x_train, x_test), (y_train, y_test) = _standard(every_x, train, test), _standard(every_y, train, test)
        total = (y_test**2).sum()
        for rank in ranks:
            for found in path(x_train, y_train, rank, PENALTIES, l1_ratio):
                fit = relaxed_solution(x_train, y_train, found) if relaxed else found
                r2 = 1 - ((y_test - x_test @ fit.w @ fit.v.T) ** 2).sum() / total
                rows.append((rank, found.penalty, fold, len(found.selected), float(r2)))
                if len(found.selected) > MOST_GENES:
                    break
    return pandas.DataFrame(rows, columns=["rank", "penalty", "fold", "genes", "R2"])


def _standard(values: np.ndarray, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Train and test parts, z-scored with the train part."""
    sd = values[train].std(axis=0)
    mean, sd = values[train].mean(axis=0), np.where(np.ptp(values[train], axis=0) > 0, sd, 1.0)
    return (values[train] - mean) / sd, (values[test] - mean) / sd


def mean_curves(curves: DataFrame) -> DataFrame:
    """Mean over folds of genes and R2, and the standard deviation of R2, for each rank and penalty.

    Returns
    -------
    DataFrame, shape (ranks * penalties, 5)
        Columns rank, penalty (falling), genes, R2, R2 sd; penalties that every fold has reached.
    """
    reached = curves.groupby(["rank", "penalty"])["fold"].transform("size") == curves["fold"].nunique()
    groups = curves[reached].groupby(["rank", "penalty"])
    table = groups[["genes", "R2"]].mean().assign(**{"R2 sd": groups["R2"].std(ddof=0)})
    return table.reset_index().sort_values(["rank", "penalty"], ascending=[True, False], ignore_index=True)


def nested_cross_validate(
    x: DataFrame,
    y: DataFrame,
    ranks: Sequence[int] = RANKS,
    *,
    folds: int = 10,
    inner_folds: int = 5,
    seed: int = 42,
    l1_ratio: float = 1.0,
    relaxed: bool = True,
) -> DataFrame:
    """R2 of the whole procedure: rank and penalty are chosen by cross-validation within each train part.

    Parameters
    ----------
    x : DataFrame, shape (cells, genes)
    y : DataFrame, shape (cells, targets)
    ranks, folds, seed, l1_ratio, relaxed
        As of :func:`penalty_curves`.
    inner_folds : int
        Folds of a train part.

    Returns
    -------
    DataFrame, shape (folds, 4)
        The rank and the penalty that were chosen, the number of genes, and R2 on the test part.
    """
    import pandas

    rows = []
    for train, test in parts(len(x), folds, seed):
        inner = (x.iloc[train], y.iloc[train])
        rank, penalty = best(penalty_curves(*inner, ranks, folds=inner_folds, seed=seed, l1_ratio=l1_ratio, relaxed=relaxed))
        fit = SparseReducedRank(rank, penalty=penalty, l1_ratio=l1_ratio, relaxed=relaxed).fit(*inner)
        rows.append({"rank": rank, "penalty": penalty, "genes": len(fit.genes_), "R2": fit.score(x.iloc[test], y.iloc[test])})
    return pandas.DataFrame(rows).rename_axis("fold")


def best(curves: DataFrame) -> tuple[int, float]:
    """Rank and penalty of the highest mean R2."""
    table = mean_curves(curves)
    row = table.loc[table["R2"].idxmax()]
    return int(row["rank"]), float(row["penalty"])


@method(
    "inference.reduced_rank",
    options=[
        Parameter("genes", "", description="raw counts: CSV with a row a cell, or npz with counts, cells, genes"),
        Parameter("gene_list", "", description="CSV whose first column names the genes to use (ion channels); empty: all"),
        Parameter("markers", MARKERS, description="genes that are used besides the list", source="Bernaerts et al. 2025"),
        Parameter("min_counts", MIN_COUNTS, bounds=(0, None), description="fewest reads of a gene over all cells"),
        Parameter("parameters", "", description="CSV with a row a cell; empty: those of the results, whose ids name the cells"),
        Parameter("targets", (), description="columns of the parameters; none: all that vary"),
        Parameter("families", "", description="CSV with a row a cell, for the colours of the figure"),
        Parameter("family", "family", description="column of the families"),
        Parameter("rank", 2, bounds=(1, None), description="latent dimensions"),
        Parameter("n_genes", 25, bounds=(1, None), description="genes to select"),
        Parameter("ranks", (1.0, 2.0, 5.0, 13.0), description="ranks of the curves and of the nested cross-validation"),
        Parameter("l1_ratio", 1.0, bounds=(0.01, 1.0), description="1: row lasso; less: elastic net"),
        Parameter("relaxed", True, description="refit the selected genes with a ridge"),
        Parameter("folds", 10, bounds=(2, None), description="folds of the cross-validation"),
        Parameter("inner_folds", 5, bounds=(2, None), description="folds within a train part"),
        Parameter("network", False, description="fit the sparse bottleneck network as well (needs torch)"),
    ],
    engine="sklearn",
    extra="inference",
    requires=("scikit-learn",),
)
def reduced_rank(results: ResultsLike, options: Options, directory: Path, seed: int) -> Finding:
    """Find the genes that explain the parameters of cells, by sparse reduced-rank regression."""
    from hpcsim.report.bottleneck_figure import gene_curves
    from hpcsim.report.figures import save

    data = _data(results, options)
    x, y = data.expression, data.parameters
    ranks = sorted({min(int(rank), y.shape[1], x.shape[1]) for rank in options["ranks"]})
    common = {"l1_ratio": options["l1_ratio"], "relaxed": options["relaxed"]}
    folds = {"folds": options["folds"], "seed": seed}
    estimator = SparseReducedRank(options["rank"], options["n_genes"], **common)
    scores = cross_validate(estimator, x, y, **folds)
    curves = penalty_curves(x, y, ranks, **folds, **common)
    nested = nested_cross_validate(x, y, ranks, inner_folds=options["inner_folds"], **folds, **common)
    fit = estimator.fit(x, y)
    fit.notes_["median library size"] = data.median
    fit.save(directory)
    metrics: dict[str, Any] = {"cells": len(x), "genes": x.shape[1], "genes selected": len(fit.genes_)}
    metrics |= {"R2": _spread(scores), "R2, rank and penalty chosen by nested cross-validation": _spread(nested)}
    metrics |= {f"R2 of {name}": _spread(scores, name) for name in y.columns}
    tables = {
        "cross_validation": scores,
        "curves": mean_curves(curves),
        "nested": nested,
        "gene_weights": fit.gene_weights(),
        "parameter_weights": fit.target_weights(),
        "latent": _latent_table(fit, data),
    }
    figures = _drawn(fit, data, "sparse reduced-rank regression", directory / "bottleneck.png")
    figure = gene_curves(tables["curves"], float(scores["genes"].mean()), metrics["R2"]["mean"], metrics["R2"]["sd"])
    figures["R2 over genes"] = save(figure, directory / "curves.png")
    if options["network"]:
        added = _network(data, options, directory, seed)
        metrics, tables, figures = metrics | added.metrics, tables | added.tables, figures | added.figures
    title = f"{len(fit.genes_)} of {x.shape[1]} genes explain {metrics['R2']['mean']:.0%} of {y.shape[1]} parameters"
    return Finding("inference.reduced_rank", title, metrics, tables, figures, data.notes)


@dataclass(frozen=True, eq=False)
class _Data:
    """Tables of the cells that both have, with equal indices; what a reader must know of those left out."""

    expression: DataFrame
    parameters: DataFrame
    families: list[str]
    median: float
    notes: list[str]


def _data(results: ResultsLike, options: Options) -> _Data:
    if not options["genes"]:
        raise ResultsError('inference.reduced_rank: the option "genes" is empty; give the path of a table of counts')
    # a fold has at least two cells
    counts, parameters, notes = matched(read_counts(options["genes"]), _parameters(results, options), 2 * options["folds"])
    parameters, constant = varying_columns(parameters, "parameter")
    listed = read_table(options["gene_list"]).index if options["gene_list"] else counts.columns
    names = {*listed, *options["markers"]}
    genes = chosen_genes(counts, names, options["min_counts"])
    notes.append(
        f"{len(genes)} of {len(names)} named genes are used; the others are not in the table or have fewer than "
        f"{options['min_counts']} reads."
    )
    expression, same = varying_columns(log_expression(counts)[genes], "gene")
    families = _families(options, counts.index)
    return _Data(expression, parameters, families, float(counts.sum(axis=1).median()), [*notes, *constant, *same])


def _parameters(results: ResultsLike, options: Options) -> DataFrame:
    """Of the table, or of the results' ok points."""
    where, targets = options["parameters"] or str(results.path), list(options["targets"])
    table = read_table(where) if options["parameters"] else results.theta(targets or varying(results))
    if table.select_dtypes("number").empty:
        raise ResultsError(f"{where}: no column holds numbers; expected parameters of cells")
    return columns_of(table, targets, where) if targets else table.select_dtypes("number")


def _families(options: Options, cells: Sequence[str]) -> list[str]:
    if not options["families"]:
        return []
    column = columns_of(read_table(options["families"]), [options["family"]], options["families"])[options["family"]]
    return [str(column.get(cell, "unknown")) for cell in cells]


def _spread(scores: DataFrame, column: str = "R2") -> dict[str, float]:
    """Mean and standard deviation over folds."""
    return {"mean": float(scores[column].mean()), "sd": float(scores[column].std(ddof=0))}


def _latent_table(fit: LatentRegression, data: _Data) -> DataFrame:
    import pandas

    latent = fit.transform(data.expression)
    table = pandas.DataFrame(latent, index=data.expression.index, columns=_axes(latent.shape[1])).rename_axis("cell")
    return table.assign(family=data.families) if data.families else table


def _drawn(fit: LatentRegression, data: _Data, title: str, path: Path) -> dict[str, Path]:
    """The bottleneck figure; none where there are fewer than two dimensions."""
    from hpcsim.report.bottleneck_figure import bottleneck
    from hpcsim.report.figures import save

    latent = fit.transform(data.expression)
    if latent.shape[1] < 2:
        return {}
    return {title: save(bottleneck(latent, data.expression[list(fit.genes_)], data.parameters, data.families, title=title), path)}


def _network(data: _Data, options: Options, directory: Path, seed: int) -> Finding:
    """The same regression with the sparse bottleneck network."""
    from hpcsim.inference.bottleneck import SparseBottleneck

    if find_spec("torch") is None:
        raise ModelError('inference.reduced_rank: network = true needs "torch", which is not installed: pip install torch')
    network = SparseBottleneck(rank=options["rank"], n_genes=options["n_genes"], seed=seed % 2**32)
    scores = cross_validate(network, data.expression, data.parameters, folds=options["folds"], seed=seed)
    fit = network.fit(data.expression, data.parameters)
    fit.notes_["median library size"] = data.median
    fit.save(directory / "network")
    tables = {"network_cross_validation": scores, "network_latent": _latent_table(fit, data)}
    figures = _drawn(fit, data, "sparse bottleneck network", directory / "network.png")
    return Finding("inference.reduced_rank", "network", {"R2 of the bottleneck network": _spread(scores)}, tables, figures)
