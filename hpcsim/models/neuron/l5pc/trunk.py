"""Places on the apical trunk: on the way to the tuft, and not on an oblique branch beside it."""

from __future__ import annotations

from hpcsim.errors import SimulationError
from hpcsim.models.neuron.morphology.cell import Cell

#: um: what reaches farther than this from the soma belongs to the tuft.
TUFT = 1000.0


def site(cell: Cell, distance: float, beyond: float = TUFT) -> int:
    """Index of the segment of the trunk at a path distance from the middle of the soma.

    Parameters
    ----------
    cell : Cell
    distance : float, um
    beyond : float, um
        Sections that lead to an apical section whose end is farther than this are the trunk.

    Raises
    ------
    SimulationError
        If there is no trunk, or it does not reach so far.
    """
    shape, ends = cell.morphology, cell.morphology.far_ends
    trunk: set[int] = set()
    for index in shape.members("apical"):
        if ends[index] > beyond:
            while index > 0 and index not in trunk:
                trunk.add(index)
                index = shape.cables[index].parent
    there = [index for index in trunk if ends[index] > distance]
    if not there:
        raise SimulationError(
            f"the trunk of {shape.source} has no place {distance:g} um from the soma; its apical dendrite reaches "
            f"{shape.longest('apical'):.0f} um, and the trunk is what leads beyond {beyond:g} um: set sites and tuft to fit it"
        )
    section = min(there, key=lambda index: (ends[index], index))
    length, n = shape.cables[section].length, cell.numbers[section]
    part = (distance - (ends[section] - length)) / length
    return sum(cell.numbers[:section]) + min(n - 1, max(0, int(part * n)))
