"""Whether a maximum of the likelihood exists: spikes that a predictor separates from silence have none."""

from __future__ import annotations

import numpy as np

#: Singular values below this share of the largest, and predictions below this, are zero but for rounding.
ROUNDING = 1e-9


def separated(predictors: np.ndarray, counts: np.ndarray) -> bool:
    """Whether some combination of predictors is zero at every spike and below zero, or zero, elsewhere.

    Its coefficient can then grow without end while the likelihood rises. It is rare but for spike history: without two spikes in
    neighbouring bins, the first history predictor can become as negative as it likes.

    Parameters
    ----------
    predictors : ndarray, shape (p, n)
    counts : ndarray, shape (n,)

    Returns
    -------
    bool
        True without any spike, too.
    """
    at_spikes = predictors[:, counts > 0]
    # of p rows and at least p columns, so that there is a singular value for every row
    padded = np.pad(at_spikes, ((0, 0), (0, max(0, len(at_spikes) - at_spikes.shape[1]))))
    directions, sizes, _ = np.linalg.svd(padded, full_matrices=False)
    free = directions[:, sizes <= ROUNDING * max(sizes[0], 1.0)]
    if not free.shape[1]:
        return False
    elsewhere = free.T @ predictors[:, counts == 0]
    if len(elsewhere) == 1:
        low, high = float(elsewhere.min()), float(elsewhere.max())
        return (high <= ROUNDING) != (low >= -ROUNDING)
    return _lowest_sum(elsewhere) < -ROUNDING


def _lowest_sum(rows: np.ndarray) -> float:
    """Lowest sum of a combination of the rows that is nowhere above zero, with weights from -1 to 1."""
    from scipy.optimize import linprog

    found = linprog(rows.sum(axis=1), A_ub=rows.T, b_ub=np.zeros(rows.shape[1]), bounds=(-1, 1), method="highs")
    return float(found.fun) if found.success else 0.0
