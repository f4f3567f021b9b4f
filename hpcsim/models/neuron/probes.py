"""What electrodes see of transmembrane currents: one stacked matrix from currents of segments to all signals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hpcsim.models.neuron.segments import Segments

#: um, of the circular contacts, which face along y.
CONTACT_RADIUS = 5.0
#: Points of a contact over which the potential is averaged.
CONTACT_POINTS = 20


def stacked(values: Mapping[str, Any], segments: Segments, positions: np.ndarray) -> np.ndarray:
    """Matrix from the transmembrane currents of equal neurons to LFP, CSD and current dipole moment.

    Parameters
    ----------
    values : mapping
        ``contacts``, ``sigma``, ``radius``, ``csd_thickness``.
    segments : Segments
        Of each neuron.
    positions : ndarray, um
        Shape (n_neuron, 3), of their somata.

    Returns
    -------
    ndarray
        Shape (2 n_contact + 1, n_neuron * n_segment): rows of potentials (mV/nA), of current source densities
        (1/um3) and of the moment along z (um), whose product with currents in nA is in mV, nA/um3 and nA um.
    """
    x, y = (np.repeat(positions[:, i], len(segments)) for i in (0, 1))
    z = (positions[:, 2, None, None] + segments.z).reshape(-1, 2)
    diameter = np.tile(segments.diameter, len(positions))
    contacts = np.array(values["contacts"], float)
    return np.concatenate(
        [
            potentials(x, y, z, diameter, contacts, values["sigma"]),
            source_densities(x, y, z, contacts, values["csd_thickness"], values["radius"]),
            z.mean(axis=1)[None],
        ]
    )


def potentials(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, diameter: np.ndarray, contacts: Sequence[float] | np.ndarray, sigma: float
) -> np.ndarray:
    """Mean potential on contacts along the z axis, of segments as line sources.

    Parameters
    ----------
    x, y : ndarray, um
        Shape (n_segment,).
    z : ndarray, um
        Shape (n_segment, 2), start and end.
    diameter : ndarray, um
        Shape (n_segment,).
    contacts : array, um
        Shape (n_contact,), depths.
    sigma : float, S/m
        Conductivity of the tissue.

    Returns
    -------
    ndarray, mV/nA
        Shape (n_contact, n_segment).
    """
    from lfpykit import CellGeometry, LineSourcePotential

    cell = CellGeometry(x=np.stack([x, x], axis=1), y=np.stack([y, y], axis=1), z=z, d=diameter)
    along_x, along_z = _disc(CONTACT_POINTS, CONTACT_RADIUS)
    rows = []
    for contact in contacts:
        points = LineSourcePotential(cell, x=along_x, y=np.zeros_like(along_x), z=contact + along_z, sigma=sigma)
        rows.append(points.get_transformation_matrix().mean(axis=0))
    return np.array(rows).reshape(len(contacts), len(x))


def source_densities(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, contacts: np.ndarray, thickness: float, radius: float
) -> np.ndarray:
    """Current source density in discs around the z axis: the part of each segment in a disc over the disc's volume.

    Parameters
    ----------
    x, y, z, contacts
        As in :func:`potentials`; segments are parallel to the axis.
    thickness, radius : float, um
        Of the discs.

    Returns
    -------
    ndarray, 1/um3
        Shape (n_contact, n_segment).
    """
    low, high = contacts[:, None] - thickness / 2, contacts[:, None] + thickness / 2
    bottom, top = z.min(axis=1), z.max(axis=1)
    inside = np.clip(np.minimum(top, high) - np.maximum(bottom, low), 0, None) / (top - bottom)
    # a soma on the surface of the cylinder is inside whatever the rounding
    near = np.hypot(x, y) <= radius * (1 + 1e-9)
    return np.asarray(inside * near / (np.pi * radius**2 * thickness))


def _disc(n: int, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Points that cover a disc evenly, on a sunflower's spiral (Vogel (1979) Math Biosci 44:179-189)."""
    k = np.arange(n)
    r, angle = radius * np.sqrt((k + 0.5) / n), np.pi * (3 - np.sqrt(5)) * k
    return r * np.cos(angle), r * np.sin(angle)
