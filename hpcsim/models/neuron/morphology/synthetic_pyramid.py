"""A thick-tufted layer 5 pyramidal neuron that is made, not reconstructed: its shape belongs to nobody.

Lengths, areas and numbers of branches lie near the medians of 48 reconstructions of layer 5 pyramidal neurons
(https://zenodo.org/records/5909613, CC BY 4.0), measured with NEURON:

=================================== ============== ================ =================
quantity                            median         10 to 90 percent this neuron
=================================== ============== ================ =================
membrane area of the soma           1410 um2       962 to 1876      1395 um2
stems of basal dendrites            7              5 to 9           7
sections of basal dendrites         66             40 to 105        49
length of basal dendrites           5.3 mm         3.3 to 7.6       5.4 mm
area of basal dendrites             10 400 um2     5800 to 19 300   14 100 um2
sections of the apical dendrite     112            74 to 206        79
length of the apical dendrite       9.5 mm         6.5 to 12.6      9.1 mm
area of the apical dendrite         23 800 um2     12 200 to 39 200 23 000 um2
longest apical path from the soma   1194 um        1071 to 1365     1190 um
=================================== ============== ================ =================

The trunk bifurcates 700 um above the soma, so that the calcium zone of Hay et al. (2011) PLOS Comput Biol 7: e1002107, from
685 to 885 um, lies around the bifurcation as in theirs. Within the range of areas, diameters were chosen for what their neuron
does: one somatic spike propagates back with attenuation, and coincident dendritic input turns it into a burst.
"""

from __future__ import annotations

from itertools import pairwise
from math import pi

import numpy as np

from hpcsim.models.neuron.morphology.tree import Cable, Morphology

#: um.
SOMA_LENGTH, SOMA_DIAMETER = 24.0, 18.5
#: um: length of the trunk, and its diameters at the soma and at the main bifurcation.
TRUNK_LENGTH, TRUNK_DIAMETERS = 688.0, (4.0, 1.5)
#: um along the trunk: where oblique branches leave it.
OBLIQUES = tuple(float(height) for height in range(40, 400, 30))
STEMS = 7

#: Length, and diameters at start and end, um, of each generation of sections; each section but the last bifurcates.
Tree = tuple[tuple[float, float, float], ...]
BASAL: Tree = ((35.0, 2.2, 1.8), (65.0, 1.3, 1.0), (150.0, 0.8, 0.6))
OBLIQUE: Tree = ((60.0, 1.0, 0.8), (150.0, 0.7, 0.6))
TUFT: Tree = ((100.0, 2.0, 1.6), (100.0, 1.1, 0.9), (140.0, 0.7, 0.6), (150.0, 0.4, 0.4))

#: Successive branches turn by this angle, so that no two lie in one plane (Vogel (1979) Math Biosci 44:179-189).
GOLDEN_ANGLE = pi * (3 - np.sqrt(5))
#: Half the angle between two daughters.
SPREAD = pi / 7


def synthetic_pyramid() -> Morphology:
    """Make the neuron: soma around the origin, apical dendrite along z, no axon.

    Returns
    -------
    Morphology
        The same at every call.
    """
    half = SOMA_LENGTH / 2
    soma = np.array([[0.0, 0.0, -half, SOMA_DIAMETER], [0.0, 0.0, half, SOMA_DIAMETER]])
    cables = [Cable("soma", soma)]
    for stem in range(STEMS):
        # from almost level to steeply down
        down = pi / 2 + pi / 3 * (stem + 0.5) / STEMS
        azimuth = stem * GOLDEN_ANGLE
        direction = np.array([np.sin(down) * np.cos(azimuth), np.sin(down) * np.sin(azimuth), np.cos(down)])
        _grow(cables, "dend", BASAL, 0, 0.0, direction, azimuth)
    _grow_apical(cables)
    return Morphology(tuple(cables), "synthetic_pyramid")


def _grow_apical(cables: list[Cable]) -> None:
    """The trunk, its oblique branches, and the tuft."""
    up = np.array([0.0, 0.0, 1.0])
    edges = [0.0, *OBLIQUES, TRUNK_LENGTH]
    first, last = TRUNK_DIAMETERS
    parent = 0
    for number, (start, stop) in enumerate(pairwise(edges)):
        diameters = [first + (last - first) * height / TRUNK_LENGTH for height in (start, stop)]
        parent = _add(cables, "apic", parent, 1.0, up, stop - start, diameters[0], diameters[1])
        azimuth = number * GOLDEN_ANGLE
        if stop < TRUNK_LENGTH:
            outward = np.array([np.cos(azimuth), np.sin(azimuth), 0.3]) / np.hypot(1, 0.3)
            _grow(cables, "apic", OBLIQUE, parent, 1.0, outward, azimuth)
    for side in (-1, 1):
        _grow(cables, "apic", TUFT, parent, 1.0, _turned(up, side * SPREAD, 0.0), GOLDEN_ANGLE)


def _grow(cables: list[Cable], kind: str, tree: Tree, parent: int, at: float, direction: np.ndarray, twist: float) -> None:
    """Add a section of the first generation of a tree, and all that leaves it."""
    own = _add(cables, kind, parent, at, direction, *tree[0])
    if len(tree) > 1:
        for side in (-1, 1):
            _grow(cables, kind, tree[1:], own, 1.0, _turned(direction, side * SPREAD, twist), twist + GOLDEN_ANGLE)


def _add(
    cables: list[Cable], kind: str, parent: int, at: float, direction: np.ndarray, length: float, first: float, last: float
) -> int:
    """Add one straight section, and say its index."""
    start = cables[parent].points[-1 if at else 0, :3]
    points = np.array([[*start, first], [*(start + length * direction), last]])
    cables.append(Cable(kind, points, parent, at))
    return len(cables) - 1


def _turned(direction: np.ndarray, angle: float, twist: float) -> np.ndarray:
    """A unit vector at an angle to another one; `twist` says to which side."""
    other = np.array([1.0, 0.0, 0.0]) if abs(direction[0]) < 0.9 else np.array([0.0, 1.0, 0.0])
    across = np.cross(direction, other)
    across /= np.linalg.norm(across)
    side = np.cos(twist) * across + np.sin(twist) * np.cross(direction, across)
    return np.asarray(np.cos(angle) * direction + np.sin(angle) * side)
