"""Selection of a training set: the simulations nearest to observations, and the schedules of Bernaerts et al."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.inference.npe.noise import add_noise, noise_sd
from hpcsim.inference.simulations import Block, Simulations

#: Training schedules of Bernaerts et al. 2025: which simulations, and noise on what.
SCHEDULES = {
    0: "simulations of the prior as they are",
    1: "the simulations nearest to each observation",
    2: "as 1, with noise on the features (NPE-N)",
    3: "as 1, with noise on features and parameters",
    4: "as 1, each simulation once as it is and twice with noise on the features",
}


# rows of a block: their distances to a thousand observations take 32 MB
_BLOCK = 2**12


class TrainingSet(NamedTuple):
    """Parameters and features as the network sees them, float32: to train on, and of other simulations to test with."""

    theta: np.ndarray
    x: np.ndarray
    test_theta: np.ndarray
    test_x: np.ndarray


def nearest_rows(
    blocks: Iterable[Block], observed: np.ndarray, k: int, mean: np.ndarray, sd: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The `k` simulations nearest to each observation, in z-scored space; blocks are seen once and not kept.

    Parameters
    ----------
    blocks : iterable of Block
    observed : ndarray, shape (observations, features)
    k : int
    mean, sd : ndarray, shape (features,)
        For z-scoring; a feature with sd 0 is left out of the distance.

    Returns
    -------
    rows : ndarray of int, shape (observations, k)
        Nearest first.
    distances : ndarray, shape (observations, k)

    Raises
    ------
    ResultsError
        If there are fewer than `k` simulations.
    """
    used = sd > 0
    target = (observed[:, used] - mean[used]) / sd[used]
    best = np.full((len(target), k), np.inf)
    rows = np.full((len(target), k), -1)
    for block in blocks:
        z = (block.x[:, used] - mean[used]) / sd[used]
        squared = (target**2).sum(axis=1)[:, None] + (z**2).sum(axis=1) - 2 * target @ z.T
        for i in range(len(target)):
            # after a few blocks, hardly any row is nearer than the k-th so far
            nearer = np.flatnonzero(squared[i] < best[i, -1])
            if len(nearer):
                _merge(best[i], rows[i], squared[i, nearer], block.rows[nearer])
    if len(target) and rows.min() < 0:
        raise ResultsError(
            f"{int((rows[0] >= 0).sum())} valid simulations; expected at least the {k} nearest to each observation; "
            'make the design longer, or "nearest" smaller'
        )
    return rows, np.sqrt(np.maximum(best, 0))


def _merge(best: np.ndarray, rows: np.ndarray, candidates: np.ndarray, numbers: np.ndarray) -> None:
    """Keep the smallest of both, sorted, in place."""
    values, all_rows = np.concatenate([best, candidates]), np.concatenate([rows, numbers])
    order = np.argsort(values, kind="stable")[: len(best)]
    best[:], rows[:] = values[order], all_rows[order]


def training_set(
    simulations: Simulations,
    observed: np.ndarray | None,
    *,
    schedule: int,
    nearest: int,
    most: int,
    noise: str,
    epsilon: float,
    held: int,
    seed: int,
) -> TrainingSet:
    """Parameters and features to train on, as a schedule says.

    Parameters
    ----------
    simulations : Simulations
    observed : ndarray, shape (observations, features)
        None with schedule 0.
    schedule : int
        See `SCHEDULES`. Noise is also added to the features of schedules 0 and 1 where `noise` is not ``none``.
    nearest : int
        How many simulations of each observation (Bernaerts et al. 2025: 1000, and 69 in schedule 4).
    most : int
        Simulations of schedule 0, taken at random; 0 takes all.
    noise, epsilon
        See :func:`hpcsim.inference.npe.noise.noise_sd`.
    held : int
        Simulations of the same kind that are kept for tests; at most a tenth of all.
    seed : int

    Returns
    -------
    TrainingSet

    Raises
    ------
    ResultsError
        If there are fewer simulations than `nearest`, or no observations where a schedule needs them.
    """
    if schedule == 0:
        # ids are hashes: the first of them are a random sample
        rows = simulations.valid_rows[: most or None]
    elif observed is None:
        raise ResultsError(f'schedule {schedule} ({SCHEDULES[schedule]}) needs "observations": give it a CSV file')
    else:
        seen = simulations.x_scales.forward(observed)
        chosen, _ = nearest_rows(simulations.blocks(_BLOCK), seen, nearest, *simulations.moments)
        rows = simulations.in_order(np.unique(chosen))
    theta, x = simulations.take(rows)
    # what is known of every observation is known exactly
    x_sd = noise_sd(noise, epsilon, simulations.moments[1]) * [name not in simulations.given for name in simulations.features]
    theta_sd = noise_sd(noise, epsilon, simulations.theta_sd) * (schedule == 3)
    random = np.random.default_rng([seed, 1])
    noisy = add_noise(theta, theta_sd, random), add_noise(x, x_sd, random)
    held = min(held, len(rows) // 10)
    test = noisy[0][:held], noisy[1][:held]
    theta, x, noisy = theta[held:], x[held:], (noisy[0][held:], noisy[1][held:])
    if schedule == 4:
        noisy = np.tile(theta, (3, 1)), np.concatenate([x, noisy[1], add_noise(x, x_sd, random)])
    return TrainingSet(*noisy, *test)
