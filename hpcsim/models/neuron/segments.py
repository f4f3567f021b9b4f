"""Segments of a ball-and-sticks neuron: where they lie, and how large they are."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numpy as np

from hpcsim.models.neuron.cells import BallAndSticks

#: Hz: segments are short against the length constant at this frequency.
FREQUENCY = 100.0
#: Longest segment, in length constants.
D_LAMBDA = 0.1


@dataclass(frozen=True, eq=False)
class Segments:
    """All segments of one neuron, section by section.

    Parameters
    ----------
    section : ndarray of str
        Shape (n_segment,).
    z : ndarray, um
        Shape (n_segment, 2), start and end; the centre of the soma is at 0.
    diameter : ndarray, um
        Shape (n_segment,).
    """

    section: np.ndarray
    z: np.ndarray
    diameter: np.ndarray

    def __len__(self) -> int:
        return len(self.section)

    @property
    def middle(self) -> np.ndarray:
        """Depth of the middles, um, shape (n_segment,)."""
        return np.asarray(self.z.mean(axis=1))

    @property
    def area(self) -> np.ndarray:
        """Membrane area, um2, shape (n_segment,)."""
        return np.asarray(pi * self.diameter * np.abs(np.diff(self.z, axis=1)[:, 0]))

    @property
    def soma(self) -> int:
        """Which segment is the middle of the soma."""
        return int(np.flatnonzero(self.section == "soma")[self.number("soma") // 2])

    def number(self, section: str) -> int:
        """How many segments a section has."""
        return int(np.count_nonzero(self.section == section))


def segments(shape: BallAndSticks) -> Segments:
    """Cut a neuron into segments by the rule of a tenth of the length constant at 100 Hz.

    Parameters
    ----------
    shape : BallAndSticks

    Returns
    -------
    Segments
        In the order soma, dend, apic, each counted from its end at the soma; an odd number in each.

    Notes
    -----
    Rule and constants: Hines & Carnevale (2001) Neuroscientist 7:123-135; 27 and 11 segments for the neurons of
    Hagen et al. (2022).
    """
    half = shape.soma_length / 2
    sections = {
        "soma": (-half, half, shape.soma_diameter),
        "dend": (-half, -half - shape.dend_length, shape.dend_diameter),
        "apic": (half, half + shape.apic_length, shape.apic_diameter),
    }
    names, edges, diameters = [], [], []
    for name, (start, stop, diameter) in sections.items():
        n = number(abs(stop - start) / float(length_constant(diameter, shape.Ra, shape.cm)))
        ends = np.linspace(start, stop, n + 1)
        names += [name] * n
        edges.append(np.stack([ends[:-1], ends[1:]], axis=1))
        diameters += [diameter] * n
    return Segments(np.array(names), np.concatenate(edges), np.array(diameters))


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
    """Number of segments of a section whose length in length constants is given; always odd."""
    return int((length / D_LAMBDA + 0.9) / 2) * 2 + 1
