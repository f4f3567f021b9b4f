"""The made neuron against the reconstructions that its docstring cites."""

from __future__ import annotations

import numpy as np
import pytest

from hpcsim.models.neuron.morphology.synthetic_pyramid import STEMS, synthetic_pyramid
from hpcsim.models.neuron.morphology.tree import Morphology

#: 10 to 90 percent of 48 reconstructions: sections, length (um), area (um2) of a section list.
RANGES = {
    "somatic": ((1, 1), (22, 33), (962, 1876)),
    "basal": ((40, 105), (3265, 7599), (5782, 19280)),
    "apical": ((74, 206), (6494, 12614), (12191, 39215)),
}


@pytest.fixture(scope="module")
def neuron() -> Morphology:
    return synthetic_pyramid()


@pytest.mark.parametrize("section_list", list(RANGES))
def test_it_is_as_large_as_reconstructions(neuron: Morphology, section_list: str):
    """In number of sections, length and area."""
    own = neuron.segments([1] * len(neuron.cables))
    members = neuron.members(section_list)
    found = len(members), neuron.length(section_list), own.area[np.isin(own.cable, members)].sum()
    for value, (low, high) in zip(found, RANGES[section_list], strict=True):
        assert low <= value <= high


def test_it_reaches_as_far(neuron: Morphology):
    """Longest paths from the soma; upward the apical dendrite, downward the basal ones."""
    assert 1071 < neuron.longest("apical") < 1365
    assert 238 < neuron.longest("basal") < 379
    tops = {kind: [cable.points[-1, 2] for cable in neuron.cables if cable.kind == kind] for kind in ("dend", "apic")}
    assert max(tops["apic"]) > 1100 and min(tops["apic"]) > 0
    assert max(tops["dend"]) < 150 and min(tops["dend"]) < -200


def test_it_is_a_tree(neuron: Morphology):
    """Sections start where their parent ends, two at each branching; dendrites leave the soma at its ends."""
    for cable in neuron.cables[1:]:
        parent = neuron.cables[cable.parent]
        np.testing.assert_array_equal(cable.points[0, :3], parent.points[-1 if cable.at else 0, :3])
    children = np.bincount([cable.parent for cable in neuron.cables[1:]], minlength=len(neuron.cables))
    assert children[0] == STEMS + 1 and set(children[1:]) == {0, 2}


def test_no_two_branches_are_one(neuron: Morphology):
    """They spread in all directions."""
    ends = np.array([cable.points[-1, :3] for cable in neuron.cables])
    gaps = np.linalg.norm(ends[:, None] - ends[None], axis=2) + 1e9 * np.eye(len(ends))
    assert gaps.min() > 5


def test_it_is_the_same_at_every_call(neuron: Morphology):
    """Nothing is drawn."""
    numbers = [1] * len(neuron.cables)
    assert synthetic_pyramid().name(numbers) == neuron.name(numbers)
