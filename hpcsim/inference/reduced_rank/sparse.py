"""Sparse reduced-rank regression: the estimator, and how well it predicts over penalties and ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.inference.reduced_rank.group_lasso import Solution, path, principal, relaxed_solution
from hpcsim.inference.reduced_rank.latent import LatentRegression, explained, parts

if TYPE_CHECKING:
    from pandas import DataFrame


#: Penalties of a path, as fractions of the least penalty that selects no gene.
PENALTIES = np.geomspace(0.9, 0.02, 30)


#: A curve ends where more genes are selected: the cost grows with them, and nobody reads the figure.
MOST_GENES = 100


RANKS = (1, 2, 5, 13)


def axes(rank: int) -> list[str]:
    """Names of latent dimensions."""
    return [f"latent {k + 1}" for k in range(rank)]


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
        return pandas.DataFrame(self.W_[rows], index=list(self.genes_), columns=axes(self.rank)).rename_axis("gene")

    def target_weights(self) -> DataFrame:
        """V, shape (targets, rank)."""
        import pandas

        return pandas.DataFrame(self.V_, index=list(self.targets_), columns=axes(self.rank)).rename_axis("target")

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
        ranks = {weights.shape[-1] for weights in (self.W_, self.V_) if weights.ndim == 2}
        if ranks != {self.rank}:
            raise ValueError(f"the weights have the ranks {sorted(ranks)}, the options {self.rank}")


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
                r2 = explained(((y_test - x_test @ fit.w @ fit.v.T) ** 2).sum(), total)
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
