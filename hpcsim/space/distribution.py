"""Distributions: which values a parameter takes, listed (a grid) or drawn (a prior).

Values that come from an exponential or a normal quantile are rounded to 36 bits of mantissa (11 digits). Mathematical
libraries disagree in the last of their 52 bits from one processor to the next, and a point's id is a hash of all bits:
without the rounding, the same study would be another one on another machine. With it, a value still differs where it
lies within an error of a rounding boundary, once in some ten thousand of those that disagree.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from math import exp, inf, isfinite, log, nan, pi

import numpy as np

from hpcsim.errors import SpaceError, shown
from hpcsim.space.parameter import Value
from hpcsim.space.points import column
from hpcsim.space.sequence import HIGHEST, LOWEST
from hpcsim.space.units import exact

_DROPPED = 52 - 36
#: Above this, a float64 index has gaps and a list of values is a mistake.
_LONGEST = 2**53
#: Less of a distribution than this within a parameter's bounds is a mistake.
_LEAST_SHARE = 1e-3


class Enumerated(ABC):
    """A list of values."""

    @abstractmethod
    def __len__(self) -> int:
        """How many values."""

    @abstractmethod
    def at(self, index: np.ndarray) -> np.ndarray:
        """Values at the given positions, each the same, whatever the other positions are.

        Parameters
        ----------
        index : ndarray of int, shape (n,)

        Returns
        -------
        ndarray, shape (n,)
        """


class Sampled(ABC):
    """A probability distribution; `low` and `high` are the ends of its support (NaN among words)."""

    low: float
    high: float

    @abstractmethod
    def quantile(self, u: np.ndarray) -> np.ndarray:
        """Values below which a share `u` of the distribution lies.

        Parameters
        ----------
        u : ndarray of float, shape (n,)
            Between 0 and 1, both excluded.

        Returns
        -------
        ndarray, shape (n,)
        """

    @abstractmethod
    def log_prob(self, x: np.ndarray) -> np.ndarray:
        """Natural logarithm of the density (of the probability, among choices); -inf off the support.

        Parameters
        ----------
        x : ndarray, shape (n,)

        Returns
        -------
        ndarray of float64, shape (n,)
        """


Distribution = Enumerated | Sampled


@dataclass(frozen=True)
class Values(Enumerated):
    """The given values, in the given order, each once."""

    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(self.values))
        if not self.values:
            raise SpaceError("found an empty list, expected at least one value")

    def __len__(self) -> int:
        return len(self.values)

    def at(self, index: np.ndarray) -> np.ndarray:
        """See :meth:`Enumerated.at`."""
        return np.asarray(self._column[index])

    @cached_property
    def _column(self) -> np.ndarray:
        return column(self.values)


@dataclass(frozen=True)
class Fixed(Enumerated):
    """One value."""

    value: Value

    def __len__(self) -> int:
        return 1

    def at(self, index: np.ndarray) -> np.ndarray:
        """See :meth:`Enumerated.at`."""
        return np.asarray(column((self.value,))[index])


@dataclass(frozen=True)
class Linspace(Enumerated):
    """`n` values at equal distances, from `low` to `high`; `low` alone when `n` is 1.

    The values are those of exact arithmetic with the decimals that were given, rounded once: 0.1 to 0.5 in five
    steps holds 0.3 itself, and a finer grid holds every point of a coarser one.
    """

    low: float
    high: float
    n: int

    def __post_init__(self) -> None:
        _check_range(self.low, self.high)
        object.__setattr__(self, "n", _count(self.n))

    def __len__(self) -> int:
        return self.n

    def at(self, index: np.ndarray) -> np.ndarray:
        """See :meth:`Enumerated.at`."""
        first, last, common = self._ends
        steps = max(self.n - 1, 1)
        wanted, where = np.unique(index, return_inverse=True)
        # the quotient of two whole numbers is correctly rounded in Python
        line = [(first * (steps - i) + last * i) / (common * steps) for i in wanted.tolist()]
        return np.array(line, np.float64)[where]

    @cached_property
    def _ends(self) -> tuple[int, int, int]:
        """Both ends as whole numbers over a common denominator."""
        low, high = exact(self.low), exact(self.high)
        common = low.denominator * high.denominator
        return int(low * common), int(high * common), common


@dataclass(frozen=True)
class Logspace(Enumerated):
    """`n` values at equal ratios, from `low` to `high` (values, not exponents); `low` alone when `n` is 1."""

    low: float
    high: float
    n: int

    def __post_init__(self) -> None:
        _check_range(self.low, self.high, positive=True)
        object.__setattr__(self, "n", _count(self.n))

    def __len__(self) -> int:
        return self.n

    def at(self, index: np.ndarray) -> np.ndarray:
        """See :meth:`Enumerated.at`."""
        values = _geometric(self.low, self.high, index / max(self.n - 1, 1))
        return np.where(index == 0, self.low, np.where(index == self.n - 1, self.high, values))


@dataclass(frozen=True)
class Uniform(Sampled):
    """Equal density from `low` to `high`."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_range(self.low, self.high)

    def quantile(self, u: np.ndarray) -> np.ndarray:
        """See :meth:`Sampled.quantile`."""
        return np.clip(self.low + (self.high - self.low) * u, self.low, self.high)

    def log_prob(self, x: np.ndarray) -> np.ndarray:
        """See :meth:`Sampled.log_prob`."""
        return np.where((x >= self.low) & (x <= self.high), -log(self.high - self.low), -inf)


@dataclass(frozen=True)
class Loguniform(Sampled):
    """Equal density of the logarithm from `low` to `high`."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_range(self.low, self.high, positive=True)

    def quantile(self, u: np.ndarray) -> np.ndarray:
        """See :meth:`Sampled.quantile`."""
        return _geometric(self.low, self.high, u)

    def log_prob(self, x: np.ndarray) -> np.ndarray:
        """See :meth:`Sampled.log_prob`."""
        inside = (x >= self.low) & (x <= self.high)
        return np.where(inside, -np.log(np.where(inside, x, 1.0)) - log(log(self.high) - log(self.low)), -inf)


@dataclass(frozen=True)
class Normal(Sampled):
    """The normal distribution with mean `mu` and standard deviation `sigma`."""

    mu: float
    sigma: float
    low: float = field(default=-inf, init=False, repr=False)
    high: float = field(default=inf, init=False, repr=False)

    def __post_init__(self) -> None:
        _check_sigma(self.sigma)

    def quantile(self, u: np.ndarray) -> np.ndarray:
        """See :meth:`Sampled.quantile`."""
        from scipy.special import ndtri

        return _rounded(self.mu + self.sigma * ndtri(u))

    def log_prob(self, x: np.ndarray) -> np.ndarray:
        """See :meth:`Sampled.log_prob`."""
        return np.asarray(-0.5 * ((x - self.mu) / self.sigma) ** 2 - log(self.sigma) - 0.5 * log(2 * pi))

    def within(self, low: float | None, high: float | None) -> Normal | Truncnormal:
        """What is left of it between two bounds: itself where no draw reaches them.

        Parameters
        ----------
        low, high : float, optional
            None where there is no bound.

        Raises
        ------
        SpaceError
            If less than a thousandth of it lies between them.

        Examples
        --------
        >>> Normal(10.0, 2.0).within(0.0, None), Normal(100.0, 2.0).within(0.0, None)
        (Truncnormal(mu=10.0, sigma=2.0, low=0.0, high=26.419072303222492), Normal(mu=100.0, sigma=2.0))
        """
        first, last = self.quantile(np.array([LOWEST, HIGHEST])).tolist()
        if not (low is not None and low > first) and not (high is not None and high < last):
            return self
        ends = (first if low is None else max(low, first), last if high is None else min(high, last))
        share = Truncnormal(self.mu, self.sigma, *ends).share if ends[0] < ends[1] else 0.0
        if share < _LEAST_SHARE:
            raise SpaceError(
                f"found a share of {share:.2g} of {self} within its bounds, expected at least {_LEAST_SHARE:g}; "
                "move mu, or draw from truncnormal or uniform"
            )
        return Truncnormal(self.mu, self.sigma, *ends)


@dataclass(frozen=True)
class Truncnormal(Sampled):
    """The normal distribution with mean `mu` and standard deviation `sigma`, cut off below `low` and above `high`.

    `mu` and `sigma` are those of the normal distribution before it is cut.
    """

    mu: float
    sigma: float
    low: float
    high: float

    def __post_init__(self) -> None:
        _check_sigma(self.sigma)
        _check_range(self.low, self.high)

    def quantile(self, u: np.ndarray) -> np.ndarray:
        """See :meth:`Sampled.quantile`."""
        from scipy.special import log_ndtr, ndtri_exp

        ends = (np.array([self.low, self.high]) - self.mu) / self.sigma
        weights = np.log1p(-u), np.log(u)
        tails = log_ndtr(ends), log_ndtr(-ends)
        below, above = (np.logaddexp(weights[0] + tail[0], weights[1] + tail[1]) for tail in tails)
        # the smaller tail keeps its digits far from the mean
        z = np.where(below < above, 1.0, -1.0) * ndtri_exp(np.minimum(below, above))
        return np.clip(_rounded(self.mu + self.sigma * z), self.low, self.high)

    def log_prob(self, x: np.ndarray) -> np.ndarray:
        """See :meth:`Sampled.log_prob`."""
        inside = (x >= self.low) & (x <= self.high)
        return np.where(inside, Normal(self.mu, self.sigma).log_prob(x) - self._log_share, -inf)

    @property
    def share(self) -> float:
        """How much of the normal distribution lies within the ends."""
        return exp(self._log_share)

    @property
    def _log_share(self) -> float:
        from scipy.special import log_ndtr

        a, b = (self.low - self.mu) / self.sigma, (self.high - self.mu) / self.sigma
        a, b = (-b, -a) if a > 0 else (a, b)
        return float(log_ndtr(b) + np.log1p(-np.exp(log_ndtr(a) - log_ndtr(b))))


@dataclass(frozen=True)
class Choice(Sampled):
    """Each of the given values with equal probability."""

    values: tuple[Value, ...]
    low: float = field(default=nan, init=False, repr=False, compare=False)
    high: float = field(default=nan, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(self.values))
        if not self.values:
            raise SpaceError("found an empty list, expected at least one value")
        if self._column.dtype != object:
            object.__setattr__(self, "low", float(self._column.min()))
            object.__setattr__(self, "high", float(self._column.max()))

    def quantile(self, u: np.ndarray) -> np.ndarray:
        """See :meth:`Sampled.quantile`."""
        index = (np.asarray(u) * len(self.values)).astype(np.int64)
        return np.asarray(self._column[np.minimum(index, len(self.values) - 1)])

    def log_prob(self, x: np.ndarray) -> np.ndarray:
        """See :meth:`Sampled.log_prob`."""
        counts = np.array([self.values.count(value) for value in np.asarray(x).tolist()], np.float64)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(counts / len(self.values)))

    @cached_property
    def _column(self) -> np.ndarray:
        return column(self.values)


def _geometric(low: float, high: float, share: np.ndarray) -> np.ndarray:
    start, end = log(low), log(high)
    return np.clip(_rounded(np.exp(start + (end - start) * share)), low, high)


def _rounded(values: np.ndarray) -> np.ndarray:
    """Round to a mantissa of 36 bits, half away from zero: see the head of this module."""
    bits = np.ascontiguousarray(values, np.float64).view(np.int64)
    half, mask = np.int64(1 << (_DROPPED - 1)), np.int64(-1 << _DROPPED)
    return ((bits + half) & mask).view(np.float64)


def _check_range(low: float, high: float, positive: bool = False) -> None:
    if not (isfinite(low) and isfinite(high) and isfinite(high - low)):
        raise SpaceError(f"found the ends {low} and {high}, expected two finite numbers")
    if positive and low <= 0:
        raise SpaceError(f"found the lower end {low}, expected more than 0: a logarithmic scale has no zero")
    if low >= high:
        raise SpaceError(f"found {low} before {high}, expected the lower end first and the ends to differ")


def _count(n: object) -> int:
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or not 1 <= n <= _LONGEST:
        raise SpaceError(f"found n = {shown(n)}, expected a whole number of values, at least 1 and at most 2**53")
    return int(n)


def _check_sigma(sigma: float) -> None:
    if not (isfinite(sigma) and sigma > 0):
        raise SpaceError(f"found sigma = {sigma}, expected a finite number above 0")
