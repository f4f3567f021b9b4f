"""Branched shapes against NEURON's own geometry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hpcsim.errors import SimulationError
from hpcsim.models.neuron.morphology.synthetic_pyramid import synthetic_pyramid
from hpcsim.models.neuron.morphology.tree import Cable, Morphology
from hpcsim.models.neuron.nmodl import mechanisms

SOMA = Cable("soma", np.array([[0.0, 0, -10, 18], [0, 0, 0, 22], [0, 0, 10, 16]]))
# crooked, tapering, with a step of the diameter in its middle
DEND = Cable("dend", np.array([[0.0, 0, -10, 4], [30, 0, -40, 3], [30, 0, -40, 2], [30, 50, -90, 1]]), 0, 0.0)
APIC = Cable("apic", np.array([[0.0, 0, 10, 5], [10, 0, 150, 2.5]]), 0, 1.0)
SIDE = Cable("apic", np.array([[5.0, 0, 80, 1.5], [90, 20, 120, 0.7]]), 2, 0.5)
AXON = Cable("axon", np.array([[0.0, 0, 0, 1.5], [0, 40, -200, 0.5]]), 0, 0.5)
NEURON = Morphology((SOMA, DEND, APIC, SIDE, AXON), "by hand")
NUMBERS = (1, 7, 5, 3, 4)


@pytest.mark.parametrize(
    ("neuron", "numbers"), [(NEURON, NUMBERS), (synthetic_pyramid(), [3] * 129)], ids=["by hand", "synthetic"]
)
def test_segments_are_those_of_neuron(neuron: Morphology, numbers: tuple[int, ...]):
    """Areas, diameters, distances from the soma, and order; NEURON keeps coordinates in single precision."""
    own = neuron.segments(numbers)
    with mechanisms.empty_session() as h:
        sections = neuron.create(h, numbers)
        points = [point for section in sections for point in section]
        assert len(points) == len(own)
        np.testing.assert_allclose(own.area, [point.area() for point in points], rtol=1e-6)
        np.testing.assert_allclose(own.diameter, [point.diam for point in points], rtol=1e-6)
        h.distance(0, sections[0](0.5))
        np.testing.assert_allclose(own.distance, [h.distance(point) for point in points], rtol=1e-6, atol=1e-5)
        np.testing.assert_allclose([cable.length for cable in neuron.cables], [section.L for section in sections], rtol=1e-6)
        assert [section.name().split("_")[0] for section in sections] == [cable.kind for cable in neuron.cables]
        assert [own.number(kind) for kind in ("dend", "apic")] == [
            sum(section.nseg for section in sections if section.name().startswith(kind)) for kind in ("dend", "apic")
        ]
        del points, sections


def test_template_is_the_same_neuron(tmp_path: Path):
    """What LFPy reads has the places, areas and order of the segments."""
    own = NEURON.segments(NUMBERS)
    with mechanisms.empty_session():
        from LFPy import TemplateCell

        file = str(NEURON.write(tmp_path, NUMBERS))
        cell = TemplateCell(templatefile=file, templatename=NEURON.name(NUMBERS), morphology=file, nsegs_method=None)
        np.testing.assert_allclose(cell.area, own.area, rtol=1e-6)
        for axis in "xyz":
            np.testing.assert_allclose(getattr(cell, axis), getattr(own, axis), atol=1e-4)


def test_rotation_is_that_of_lfpy(tmp_path: Path):
    """About x, then y, then z: the angles of published models hold."""
    angles = {"x": 4.729, "y": -3.166, "z": 0.4}
    own = NEURON.rotated(**angles).segments(NUMBERS)
    with mechanisms.empty_session():
        from LFPy import TemplateCell

        file = str(NEURON.write(tmp_path, NUMBERS))
        cell = TemplateCell(templatefile=file, templatename=NEURON.name(NUMBERS), morphology=file, nsegs_method=None)
        cell.set_rotation(**angles)
        found = {axis: getattr(cell, axis) - cell.__dict__[axis][0].mean() for axis in "xyz"}
    for axis, places in found.items():
        expected = getattr(own, axis) - getattr(own, axis)[0].mean()
        np.testing.assert_allclose(places, expected, atol=1e-3)


def test_axon_becomes_a_stub():
    """Two sections of 30 um length and 1 um diameter, from the middle of the soma; the rest stays."""
    short = NEURON.with_axon_stub()
    assert [cable.kind for cable in short.cables] == ["soma", "dend", "apic", "apic", "axon", "axon"]
    assert [(cable.parent, cable.at) for cable in short.cables[1:]] == [(0, 0.0), (0, 1.0), (2, 0.5), (0, 0.5), (4, 1.0)]
    assert [cable.length for cable in short.cables[4:]] == [30.0, 30.0]
    assert short.length("axonal") == 60 and short.length("apical") == NEURON.length("apical")
    # a section whose parent moved up
    first = Morphology((SOMA, AXON, Cable("dend", DEND.points, 0, 0.0), Cable("dend", SIDE.points, 2, 1.0)), "axon first")
    assert [cable.parent for cable in first.with_axon_stub().cables] == [-1, 0, 1, 0, 3]


def test_a_dendrite_on_the_axon_is_refused():
    """It would lose its parent."""
    wrong = Morphology((SOMA, AXON, Cable("dend", DEND.points, 1, 1.0)), "file.asc")
    with pytest.raises(SimulationError, match=r"file\.asc has a section dend on its axon"):
        wrong.with_axon_stub()


def test_section_lists_that_are_not_there():
    """A name that nobody has, and one that this neuron lacks."""
    with pytest.raises(SimulationError, match=r'no section list "apicals"; did you mean "apical"'):
        NEURON.members("apicals")
    bare = Morphology((SOMA, DEND), "file.asc")
    with pytest.raises(SimulationError, match=r"file\.asc has no apical sections, only somatic, basal; take one .*\(apic\)"):
        bare.members("apical")


def test_names_belong_to_shape_and_segments():
    """NEURON cannot define a template twice."""
    names = {NEURON.name(NUMBERS), NEURON.name((1, 7, 5, 3, 5)), NEURON.rotated(x=0.1).name(NUMBERS)}
    assert len(names) == 3
    assert NEURON.name(NUMBERS) == Morphology(NEURON.cables, "elsewhere").name(NUMBERS)
