"""Simulations of a study as a network is trained on them: read block by block, chosen rows held in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hpcsim.collector.format.schema import OK
from hpcsim.errors import ResultsError
from hpcsim.inference.scales import Scales, feature_scales, parameter_scales

if TYPE_CHECKING:
    from hpcsim.collector.results import Results

#: Rows that are read at once.
BLOCK = 2**15
#: Simulations that tell on which scale a feature is seen.
_SAMPLED = 20_000
#: The how-manieth nearest simulation tells how near an observation is, and of how many simulations it is told to compare.
_NEAREST, _COMPARED = 5, 1000
#: Larger features count as not finite: the square of one must be a number.
_LARGEST = 1e150


class Block(NamedTuple):
    """Rows of the file that can be trained on: their numbers, parameters, and features as the network sees them (float64)."""

    rows: np.ndarray
    theta: np.ndarray
    x: np.ndarray


@dataclass(frozen=True)
class Summary:
    """What one pass over all simulations found.

    Parameters
    ----------
    total, failed, invalid : int
        Points; those that failed; those whose features are not all finite.
    theta_mean, theta_sd : ndarray, shape (parameters,)
        Over the valid simulations.
    x_mean, x_sd, x_low, x_high : ndarray, shape (features,)
        Over the valid simulations.
    missing : dict of str to int
        How often a feature is not finite.
    """

    total: int
    failed: int
    invalid: int
    theta_mean: np.ndarray
    theta_sd: np.ndarray
    x_mean: np.ndarray
    x_sd: np.ndarray
    x_low: np.ndarray
    x_high: np.ndarray
    missing: dict[str, int]

    @property
    def valid(self) -> int:
        """Simulations that can be trained on."""
        return self.total - self.failed - self.invalid


class Simulations:
    """Parameters and features of the points of a study, with a name for each column.

    Parameters
    ----------
    results : Results
    parameters : sequence of str
        To infer.
    outputs : sequence of str
        Whose values are the features.
    given : sequence of str
        Parameters that are known of every observation: further features.

    Attributes
    ----------
    theta_scales, x_scales : Scales
        How the network sees parameters and features; as they are until `choose_scales` is called.

    Raises
    ------
    ResultsError
        If a name does not exist, is no number, or has more than one dimension.
    """

    def __init__(self, results: Results, parameters: Sequence[str], outputs: Sequence[str], given: Sequence[str] = ()) -> None:
        if not outputs:
            raise ResultsError('inference.npe: the option "of" is empty; name the outputs to infer from')
        self.results = results
        self.parameters, self.outputs, self.given = tuple(parameters), tuple(outputs), tuple(given)
        # checks all names, and gives the points that are ok in the order of their ids
        self._stream = results.torch([*self.parameters, *self.given], self.outputs)
        self.path: Path = results.path
        layout = results.table.layout
        self._chosen = [layout.columns(name) for name in self.outputs]
        self.features = tuple(name for chosen in self._chosen for name in chosen.places) + self.given
        self.theta_scales, self.x_scales = Scales(self.parameters), Scales(self.features)
        for name in (*self.parameters, *self.given):
            if results.table.dataset(name).ndim > 1:
                raise ResultsError(f'{self.path}: the parameter "{name}" is a list; only single numbers can be inferred')

    def __len__(self) -> int:
        return len(self.results)

    def blocks(self, size: int = BLOCK) -> Iterator[Block]:
        """Valid simulations in the order of the file; no more than a block is held.

        Parameters
        ----------
        size : int
            Rows that are read at once.
        """
        for rows, ok, theta, x in self._read(size):
            good = ok & np.isfinite(x).all(axis=1)
            yield Block(rows[good], theta[good], self.x_scales.forward(x[good]))

    def _read(self, size: int = BLOCK) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """Row numbers, whether ok, parameters and features of all points."""
        table = self.results.table
        for start in range(0, len(self), size):
            part = slice(start, min(start + size, len(self)))
            n = part.stop - part.start
            theta = np.stack([table.array(name, part).astype(float) for name in self.parameters], axis=1)
            columns = [table.array(c.output, part).reshape(n, -1)[:, list(c.places.values())] for c in self._chosen]
            columns += [table.array(name, part).reshape(n, -1) for name in self.given]
            x = np.concatenate([column.astype(float) for column in columns], axis=1)
            x[np.abs(x) > _LARGEST] = np.inf
            yield np.arange(part.start, part.stop), table.array("status", part) == OK, theta, x

    @cached_property
    def summary(self) -> Summary:
        """Counts, means, standard deviations and ranges, in one pass."""
        missing = np.zeros(len(self.features), int)
        failed = invalid = n = 0
        moments: list[np.ndarray] = []
        low, high = np.full(len(self.features), np.inf), np.full(len(self.features), -np.inf)
        for _, ok, theta, x in self._read():
            finite = np.isfinite(x)
            good = ok & finite.all(axis=1)
            failed += int((~ok).sum())
            invalid += int((ok & ~good).sum())
            missing += (~finite[ok]).sum(axis=0)
            both = np.concatenate([theta[good], x[good]], axis=1)
            if len(both):
                n += len(both)
                moments.append(np.stack([np.full(both.shape[1], len(both)), both.mean(axis=0), both.var(axis=0)]))
                low, high = np.minimum(low, x[good].min(axis=0)), np.maximum(high, x[good].max(axis=0))
        width = len(self.parameters) + len(self.features)
        mean, sd = _pooled(moments) if moments else (np.full(width, np.nan), np.full(width, np.nan))
        split = len(self.parameters)
        counts = {name: int(k) for name, k in zip(self.features, missing, strict=True) if k}
        return Summary(len(self), failed, invalid, mean[:split], sd[:split], mean[split:], sd[split:], low, high, counts)

    @cached_property
    def valid_rows(self) -> np.ndarray:
        """Row numbers of the valid simulations in the order of their ids, which does not depend on who came first."""
        valid = np.zeros(len(self), bool)
        for block in self.blocks():
            valid[block.rows] = True
        by_id: np.ndarray = self._stream.rows
        return np.asarray(by_id[valid[by_id]])

    def in_order(self, rows: np.ndarray) -> np.ndarray:
        """The same rows, each once, in the order of their ids."""
        chosen = np.zeros(len(self), bool)
        chosen[rows] = True
        by_id: np.ndarray = self._stream.rows
        return np.asarray(by_id[chosen[by_id]])

    def choose_scales(self, logarithmic: Mapping[str, float]) -> None:
        """Look at the simulations, and choose scales on which the network sees what it could not see otherwise.

        Parameters
        ----------
        logarithmic : mapping of str to float
            As of :func:`hpcsim.inference.scales.parameter_scales`.
        """
        found = self.summary
        self.theta_scales = parameter_scales(self.parameters, logarithmic, found.theta_mean, found.theta_sd)
        self.x_scales = feature_scales(self.features, self._sample)

    @cached_property
    def _sample(self) -> np.ndarray:
        """Features of some valid simulations, as they are (float64)."""
        # ids are hashes: the first of them are a random sample
        rows = np.sort(self.valid_rows[:_SAMPLED])
        parts = [x[np.isin(numbers, rows)] for numbers, _, _, x in self._read()]
        return np.concatenate(parts)

    @cached_property
    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each feature as the network sees it, shape (features,)."""
        mean, sd = self.summary.x_mean, self.summary.x_sd
        if not self.x_scales:
            return mean, sd
        other = [name in self.x_scales.scales for name in self.features]
        seen = self.x_scales.forward(self._sample)
        return np.where(other, seen.mean(axis=0), mean), np.where(other, seen.std(axis=0), sd)

    def remoteness(self, seen: np.ndarray) -> np.ndarray:
        """How far from its nearest simulations an observation is, over the distance that 99 % of the simulations have to theirs.

        Parameters
        ----------
        seen : ndarray, shape (observations, features)
            As the network sees them.

        Returns
        -------
        ndarray, shape (observations,)
        """
        from scipy.spatial import KDTree

        mean, sd = self.moments
        sample = (self.x_scales.forward(self._sample) - mean) / sd
        tree = KDTree(sample)
        # each simulation is its own nearest one; ids are hashes, so the first are a random sample
        usual = np.quantile(tree.query(sample[:_COMPARED], _NEAREST + 1)[0][:, -1], 0.99)
        found: np.ndarray = tree.query((seen - mean) / sd, _NEAREST)[0][:, -1]
        return found / usual if usual > 0 else np.where(found > 0, np.inf, 1.0)

    @cached_property
    def theta_sd(self) -> np.ndarray:
        """Standard deviation of each parameter as the network sees it, shape (parameters,)."""
        if not self.theta_scales:
            return self.summary.theta_sd
        theta, _ = self.take(self.valid_rows[:_SAMPLED])
        other = [name in self.theta_scales.scales for name in self.parameters]
        return np.where(other, theta.std(axis=0, dtype=float), self.summary.theta_sd)

    def take(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Parameters and features of some rows as the network sees them, in their order.

        Parameters
        ----------
        rows : ndarray of int, shape (n,)

        Returns
        -------
        theta, x : ndarray of float32, shapes (n, parameters) and (n, features)
        """
        theta = np.empty((len(rows), len(self.parameters)), np.float32)
        x = np.empty((len(rows), len(self.features)), np.float32)
        order = np.argsort(rows, kind="stable")
        ascending = rows[order]
        for numbers, _, some_theta, some_x in self._read():
            wanted = slice(*np.searchsorted(ascending, (numbers[0], numbers[-1] + 1)))
            inside = ascending[wanted] - numbers[0]
            theta[order[wanted]] = self.theta_scales.forward(some_theta[inside])
            x[order[wanted]] = self.x_scales.forward(some_x[inside])
        return theta, x

    def validity(self, most: int) -> tuple[np.ndarray, np.ndarray]:
        """Parameters of simulations as the network sees them, and whether they are valid; failed points count as invalid.

        Parameters
        ----------
        most : int
            If there are more simulations, evenly spaced ones are taken.

        Returns
        -------
        theta : ndarray of float32, shape (n, parameters)
        valid : ndarray of float32, shape (n, 1)
            1 or 0.
        """
        step = 1 + (len(self) - 1) // most
        theta, valid = [], []
        for rows, ok, some, x in self._read():
            kept = rows % step == 0
            theta.append(self.theta_scales.forward(some[kept]))
            valid.append((ok & np.isfinite(x).all(axis=1))[kept])
        return np.concatenate(theta).astype(np.float32), np.concatenate(valid).astype(np.float32)[:, None]


def _pooled(moments: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of everything, from count, mean and variance of parts."""
    counts, means, variances = np.stack(moments, axis=1)
    share = counts / counts.sum(axis=0)
    mean = (share * means).sum(axis=0)
    # the variance within the parts and that between them: no digits are lost to a large mean
    return mean, np.sqrt((share * (variances + (means - mean) ** 2)).sum(axis=0))
