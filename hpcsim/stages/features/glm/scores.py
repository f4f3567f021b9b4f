"""How well predicted rates explain spike counts: likelihood, bits per spike, pseudo-R2."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln, xlogy


def log_likelihood(counts: np.ndarray, rates: np.ndarray | float) -> float:
    """Poisson log-likelihood, natural units, per bin.

    Parameters
    ----------
    counts : ndarray, shape (n,)
    rates : ndarray, shape (n,), or float
        Expected counts.
    """
    return float(np.mean(xlogy(counts, rates) - rates - gammaln(counts + 1.0))) if len(counts) else np.nan


def scores(counts: np.ndarray, rates: np.ndarray, null: float) -> dict[str, float]:
    """All scores of a model on the same bins.

    Parameters
    ----------
    counts : ndarray, shape (n,)
    rates : ndarray, shape (n,)
        Expected counts of the model.
    null : float
        Expected count of the null model: the mean of the training bins, for held-out bins as well.

    Returns
    -------
    dict of str to float
        ``log_likelihood``, per bin; ``bits_per_spike``, gain over the null model; ``mcfadden``, 1 less the ratio of the
        log-likelihoods; ``cohen``, 1 less the ratio of the deviances. The last three are NaN without a spike.

    Examples
    --------
    >>> float(scores(np.array([0, 1]), np.array([0.5, 0.5]), 0.5)["bits_per_spike"])
    0.0
    """
    own, least = log_likelihood(counts, rates), log_likelihood(counts, null)
    found = {"log_likelihood": own, "bits_per_spike": np.nan, "mcfadden": np.nan, "cohen": np.nan}
    spikes = float(counts.sum())
    if spikes and null > 0:
        most = log_likelihood(counts, counts.astype(float))
        found["bits_per_spike"] = (own - least) * len(counts) / spikes / np.log(2)
        found["mcfadden"] = 1 - own / least
        found["cohen"] = 1 - (most - own) / (most - least)
    return found
