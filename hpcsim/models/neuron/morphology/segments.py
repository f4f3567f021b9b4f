"""Segments of a neuron: where they lie, and how large they are."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numpy as np

#: Hz: segments are short against the length constant at this frequency.
FREQUENCY = 100.0
#: Longest segment, in length constants.
D_LAMBDA = 0.1


@dataclass(frozen=True, eq=False)
class Segments:
    """All segments of one neuron, section by section, each section from its end at the soma on.

    Parameters
    ----------
    section : ndarray of str
        Shape (n_segment,), kind of the section: ``soma``, ``axon``, ``dend`` or ``apic``.
    x, y, z : ndarray, um
        Shape (n_segment, 2), start and end; the middle of the soma is at 0.
    diameter : ndarray, um
        Shape (n_segment,).
    area : ndarray, um2
        Shape (n_segment,), of the membrane.
    distance : ndarray, um
        Shape (n_segment,), path from the middle of the soma to the middle of the segment.
    cable : ndarray of int
        Shape (n_segment,), index of the section.
    """

    section: np.ndarray
    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    diameter: np.ndarray
    area: np.ndarray
    distance: np.ndarray
    cable: np.ndarray

    def __len__(self) -> int:
        return len(self.section)

    @property
    def middle(self) -> np.ndarray:
        """Depth of the middles, um, shape (n_segment,)."""
        return np.asarray(self.z.mean(axis=1))

    @property
    def soma(self) -> int:
        """Which segment is the middle of the soma."""
        return int(np.flatnonzero(self.section == "soma")[self.number("soma") // 2])

    def number(self, section: str) -> int:
        """How many segments the sections of a kind have."""
        return int(np.count_nonzero(self.section == section))


def length_constant(diameter: float | np.ndarray, Ra: float, cm: float) -> np.ndarray:
    """Length constant at 100 Hz.

    Parameters
    ----------
    diameter : float or ndarray, um
    Ra : float, ohm cm
    cm : float, uF/cm2

    Returns
    -------
    ndarray, um
    """
    return np.asarray(1e5 * np.sqrt(np.asarray(diameter) / (4 * pi * FREQUENCY * Ra * cm)))


def number(length: float) -> int:
    """Number of segments of a section whose length in length constants is given; always odd.

    Rule and constants: Hines & Carnevale (2001) Neuroscientist 7:123-135; 27 and 11 segments for the neurons of
    Hagen et al. (2022).
    """
    return int((length / D_LAMBDA + 0.9) / 2) * 2 + 1
