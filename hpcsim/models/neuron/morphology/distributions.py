"""How a density is spread over the sections of a list: over the distance from the soma, or over depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True, eq=False)
class Places:
    """Where densities are asked for.

    Parameters
    ----------
    distance : ndarray, um
        Shape (n,), path from the middle of the soma.
    depth : ndarray, um
        Shape (n,), height above the middle of the soma.
    section : ndarray of int
        Shape (n,), index of the section.
    longest : float, um
        Longest path from the middle of the soma in the section list.
    """

    distance: np.ndarray
    depth: np.ndarray
    section: np.ndarray
    longest: float

    def along(self, what: str) -> np.ndarray:
        """``fraction`` of the longest path, ``distance`` in um, or ``depth`` in um."""
        if what == "fraction":
            return self.distance / self.longest
        return self.distance if what == "distance" else self.depth


class Distribution(Protocol):
    """A density that depends on the place."""

    def at(self, places: Places) -> np.ndarray:
        """The density at some places, shape (n,)."""


@dataclass(frozen=True)
class Linear:
    """``base * (offset + slope * d)``, not below `lowest` and not above `highest`.

    Parameters
    ----------
    base, offset, slope : float
    lowest, highest : float
        In the unit of the density.
    along : str
        What d is: ``fraction``, ``distance`` or ``depth``.
    """

    base: float
    offset: float = 1.0
    slope: float = 0.0
    lowest: float = -np.inf
    highest: float = np.inf
    along: str = "fraction"

    def at(self, places: Places) -> np.ndarray:
        """The density at some places, shape (n,)."""
        return np.clip(self.base * (self.offset + self.slope * places.along(self.along)), self.lowest, self.highest)


@dataclass(frozen=True)
class Exponential:
    """``base * (offset + factor * exp(rate * (d - origin)))``, not above `highest`.

    Kole, Hallermann & Stuart (2006) J Neurosci 26:1677-1687, for Ih.
    """

    base: float
    offset: float
    factor: float
    rate: float
    origin: float = 0.0
    highest: float = np.inf
    along: str = "fraction"

    def at(self, places: Places) -> np.ndarray:
        """The density at some places, shape (n,)."""
        d = places.along(self.along)
        return np.minimum(self.base * (self.offset + self.factor * np.exp(self.rate * (d - self.origin))), self.highest)


@dataclass(frozen=True)
class Sigmoid:
    """``base * (offset + factor / (1 + exp((d - middle) / width)))``."""

    base: float
    offset: float
    factor: float
    middle: float
    width: float
    along: str = "fraction"

    def at(self, places: Places) -> np.ndarray:
        """The density at some places, shape (n,)."""
        # beyond 700 the exponential is no float64, and the density is its offset
        power = np.clip((places.along(self.along) - self.middle) / self.width, -700, 700)
        return np.asarray(self.base * (self.offset + self.factor / (1 + np.exp(power))))


@dataclass(frozen=True)
class Zone:
    """High between two distances from the soma (um), low elsewhere.

    Parameters
    ----------
    inside, outside : float
    start, stop : float, um
    closed : bool
        Whether the two distances belong to the zone.
    without : tuple of int
        Sections (by their index) that do not belong to it wherever they lie.
    """

    inside: float
    outside: float
    start: float
    stop: float
    closed: bool = False
    without: tuple[int, ...] = ()

    def at(self, places: Places) -> np.ndarray:
        """The density at some places, shape (n,)."""
        d = places.distance
        there = (d >= self.start) & (d <= self.stop) if self.closed else (d > self.start) & (d < self.stop)
        return np.where(there & ~np.isin(places.section, self.without), self.inside, self.outside)
