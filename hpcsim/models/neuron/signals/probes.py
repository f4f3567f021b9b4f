"""What electrodes see of transmembrane currents: one stacked matrix from currents of segments to all signals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hpcsim.models.neuron.morphology.segments import Segments

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
    x, y, z = (
        (positions[:, axis, None, None] + ends).reshape(-1, 2) for axis, ends in enumerate((segments.x, segments.y, segments.z))
    )
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
    x, y, z : ndarray, um
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

    cell = CellGeometry(x=x, y=y, z=z, d=diameter)
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
        As in :func:`potentials`.
    thickness, radius : float, um
        Of the discs.

    Returns
    -------
    ndarray, 1/um3
        Shape (n_contact, n_segment).
    """
    enters, leaves = _in_cylinder(x, y, radius)
    inside = []
    for contact in contacts.tolist():
        first, last = _in_slab(z, contact - thickness / 2, contact + thickness / 2)
        inside.append(np.clip(np.minimum(last, leaves) - np.maximum(first, enters), 0, None))
    return np.array(inside).reshape(len(contacts), len(z)) / (np.pi * radius**2 * thickness)


def _in_slab(z: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Between which parts of their lengths, from 0 to 1, segments lie at some depths; a level one belongs to the upper slab."""
    start, rise = z[:, 0], z[:, 1] - z[:, 0]
    level = rise == 0
    crossings = (np.array([[low], [high]]) - start) / np.where(level, 1.0, rise)
    inside = (low <= start) & (start < high)
    first = np.where(level, np.where(inside, 0.0, 1.0), crossings.min(axis=0))
    last = np.where(level, np.where(inside, 1.0, 0.0), crossings.max(axis=0))
    return np.clip(first, 0, 1), np.clip(last, 0, 1)


def _in_cylinder(x: np.ndarray, y: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Between which parts of their lengths, from 0 to 1, segments lie within a radius of the axis; first over last if nowhere."""
    # |start + t (end - start)|^2 = radius^2; a soma on the surface of the cylinder is inside whatever the rounding
    dx, dy = x[:, 1] - x[:, 0], y[:, 1] - y[:, 0]
    a, b, c = dx**2 + dy**2, x[:, 0] * dx + y[:, 0] * dy, x[:, 0] ** 2 + y[:, 0] ** 2 - (radius * (1 + 1e-9)) ** 2
    upright = a == 0
    root = np.sqrt(np.clip(b**2 - a * c, 0, None))
    middle, half = (np.divide(part, a, out=np.zeros_like(a), where=~upright) for part in (-b, root))
    nowhere = np.where(upright, c > 0, b**2 <= a * c)
    first, last = np.where(upright, 0.0, middle - half), np.where(upright, 1.0, middle + half)
    return np.where(nowhere, 1.0, np.clip(first, 0, 1)), np.where(nowhere, 0.0, np.clip(last, 0, 1))


def _disc(n: int, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Points that cover a disc evenly, on a sunflower's spiral (Vogel (1979) Math Biosci 44:179-189)."""
    k = np.arange(n)
    r, angle = radius * np.sqrt((k + 0.5) / n), np.pi * (3 - np.sqrt(5)) * k
    return r * np.cos(angle), r * np.sin(angle)
