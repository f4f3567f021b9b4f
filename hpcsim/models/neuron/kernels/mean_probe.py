"""What electrodes see of the average neuron of a population: somata fill a cylinder, evenly in its plane, normally along it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcsim.models.neuron.hagen.connections import normal_density

#: Half width, in standard deviations, of a normal law whose tails are below the rounding of numbers.
REACH = 9.0
#: Angles of the mean over a circle, which converges exponentially.
ANGLES = 32
#: Least radius of the discs of that mean, in radii of the population: where they are smaller, their weight is below 1e-3.
LEAST_DISC = 1 / 20
#: Segments that rise less than this, in standard deviations of the depth, are level: the differences below lose all digits.
LEVEL = 1e-4


class MeanProbe:
    """LFP, CSD and current dipole moment in one matrix; LFPykernels takes it for any of LFPykit's linear models.

    Parameters
    ----------
    values : mapping
        ``contacts``, ``sigma``, ``radius``, ``depth_std``, ``csd_thickness``.
    memo : dict
        Where matrices are kept, by geometry.

    Attributes
    ----------
    cell : object
        With ``x``, ``y``, ``z``, um, shape (n_segment, 2), start and end of segments while the soma is at 0; LFPykernels sets it.
    """

    def __init__(self, values: Mapping[str, Any], memo: dict[Any, Any]) -> None:
        self._values = {name: values[name] for name in ("contacts", "sigma", "radius", "depth_std", "csd_thickness")}
        self._memo = memo
        self.cell: Any = None

    def get_transformation_matrix(self) -> np.ndarray:
        """Matrix from currents to signals.

        Returns
        -------
        ndarray
            Shape (2 n_contact + 1, n_segment), rows and units as those of :func:`hpcsim.models.neuron.signals.probes.stacked`.
        """
        x, y, z = (np.asarray(ends, float) for ends in (self.cell.x, self.cell.y, self.cell.z))
        key = ("mean_probe", x.tobytes(), y.tobytes(), z.tobytes(), *self._values.values())
        if key not in self._memo:
            self._memo[key] = stacked(self._values, x, y, z)
        matrix: np.ndarray = self._memo[key]
        return matrix


def stacked(values: Mapping[str, Any], x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The matrix of :func:`hpcsim.models.neuron.signals.probes.stacked`, averaged over the places of the neuron.

    Parameters
    ----------
    values : mapping
        As of :class:`MeanProbe`.
    x, y, z : ndarray, um
        Shape (n_segment, 2), start and end of segments while the soma is at 0.

    Returns
    -------
    ndarray
        Shape (2 n_contact + 1, n_segment).
    """
    contacts, middle = np.array(values["contacts"], float), z.mean(axis=1)
    lateral = np.hypot(x.mean(axis=1), y.mean(axis=1))
    radius, depth_std = values["radius"], values["depth_std"]
    return np.concatenate(
        [
            beside_potentials(contacts[:, None] - middle, lateral, values["sigma"], radius, depth_std),
            mean_source_densities(z, contacts, values["csd_thickness"], radius, depth_std) * shared(lateral, radius),
            # a population that is centred at 0 moves no moment
            middle[None],
        ]
    )


def mean_potentials(distance: np.ndarray, sigma: float, radius: float | np.ndarray, depth_std: float) -> np.ndarray:
    """Potential on the axis of discs of current whose depths are normal.

    Parameters
    ----------
    distance : ndarray, um
        Of the contact from the mean depth of the disc, any shape.
    sigma : float, S/m
        Conductivity of the tissue.
    radius : float or ndarray, um
        Of the disc.
    depth_std : float, um

    Returns
    -------
    ndarray, mV/nA
        Of the same shape.

    Notes
    -----
    A disc that carries a unit current has the potential (sqrt(d^2 + R^2) - |d|) / (2 pi R^2 sigma) on its axis (Pettersen
    et al. (2006) J Neurosci Methods 154:116-133). LFPykernels integrates it over a normal law entry by entry with QUADPACK.
    Here the mean of |d| has its closed form, that of a folded normal law, and the mean of the root is a sum over equal steps,
    which converges exponentially: the root is analytic up to a distance R from the real axis, and with steps of at most R/8 and
    a quarter of the standard deviation what is left is below rounding.
    """
    step = min(depth_std / 4, float(np.min(radius)) / 8)
    n = int(np.ceil(REACH * depth_std / step))
    shift = step * np.arange(-n, n + 1)
    weight = normal_density(shift, 0.0, depth_std)
    weight /= weight.sum()
    root = sum(w * np.sqrt((distance - s) ** 2 + radius**2) for s, w in zip(shift.tolist(), weight.tolist(), strict=True))
    folded = 2 * _ramp(distance, depth_std) - distance
    return np.asarray((root - folded) / (2 * np.pi * radius**2 * sigma))


def beside_potentials(distance: np.ndarray, lateral: np.ndarray, sigma: float, radius: float, depth_std: float) -> np.ndarray:
    """Potential of discs of current whose depths are normal, beside their axes.

    Parameters
    ----------
    distance : ndarray, um
        Shape (n_contact, n_segment), of the contact from the mean depth of the disc.
    lateral : ndarray, um
        Shape (n_segment,), of the contact from the axis of the disc.
    sigma, radius, depth_std : float
        As in :func:`mean_potentials`.

    Returns
    -------
    ndarray, mV/nA
        Shape (n_contact, n_segment).

    Notes
    -----
    A segment that lies beside its soma by a makes a disc around a, of the average neuron; LFPykernels leaves a away, which more
    than doubles potentials of wide dendrites. By the divergence theorem in the plane of the disc its potential is the mean, over
    the points of its edge, of (1 + a/R cos t) times that of a disc around the contact that reaches to this point, whose radius is
    the root of R^2 + a^2 + 2 a R cos t.
    """
    # one angle is enough where nothing depends on it: its cosine is 0
    angles = np.pi * (np.arange(ANGLES) + 0.5) / ANGLES if lateral.any() else np.array([np.pi / 2])
    total = np.zeros(distance.shape)
    for cosine in np.cos(angles).tolist():
        reach = np.sqrt(np.clip(radius**2 + lateral**2 + 2 * lateral * radius * cosine, (LEAST_DISC * radius) ** 2, None))
        total += (1 + lateral / radius * cosine) * mean_potentials(distance, sigma, reach, depth_std)
    return total / len(angles)


def shared(lateral: np.ndarray, radius: float) -> np.ndarray:
    """Part of a disc that lies in an equal one beside it.

    Parameters
    ----------
    lateral : ndarray, um
        Between their middles.
    radius : float, um

    Returns
    -------
    ndarray
        From 0 to 1: the part of segments beside their somata that lie in the cylinder of the somata.
    """
    half = np.clip(lateral / (2 * radius), 0, 1)
    return np.asarray(2 / np.pi * (np.arccos(half) - half * np.sqrt(1 - half**2)))


def mean_source_densities(z: np.ndarray, contacts: np.ndarray, thickness: float, radius: float, depth_std: float) -> np.ndarray:
    """Mean over depths of the part of each segment that lies in a disc, over the disc's volume.

    Parameters
    ----------
    z : ndarray, um
        Shape (n_segment, 2), start and end of segments while the soma is at 0.
    contacts : ndarray, um
        Shape (n_contact,), depths of the discs' middles.
    thickness, radius : float, um
        Of the discs; segments lie within the radius.
    depth_std : float, um
        Of the somata, whose mean depth is 0.

    Returns
    -------
    ndarray, 1/um3
        Shape (n_contact, n_segment).

    Notes
    -----
    Where (x)+ is x above 0 and 0 below, a segment from b to t has the length
    (high - b)+ - (high - t)+ - (low - b)+ + (low - t)+ in a disc from low to high. With a normal shift each term has the
    closed form of the mean of a rectified normal law.
    """
    from scipy.special import ndtr

    bottom, top = z.min(axis=1), z.max(axis=1)
    low, high = contacts[:, None] - thickness / 2, contacts[:, None] + thickness / 2
    edges = (high - bottom, high - top, low - bottom, low - top)
    inside = sum(sign * _ramp(edge, depth_std) for sign, edge in zip((1, -1, -1, 1), edges, strict=True))
    # of a level segment, how often it is there
    rise, often = top - bottom, ndtr((high - bottom) / depth_std) - ndtr((low - bottom) / depth_std)
    level = rise < LEVEL * depth_std
    part = np.where(level, often, inside / np.where(level, 1.0, rise))
    return np.asarray(part / (np.pi * radius**2 * thickness))


def _ramp(x: np.ndarray, std: float) -> np.ndarray:
    """Mean of (x - s)+ over a normal s around 0."""
    from scipy.special import ndtr

    return np.asarray(x * ndtr(x / std) + std**2 * normal_density(x, 0.0, std))
