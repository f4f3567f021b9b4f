"""Segments against NEURON's own geometry, by way of LFPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hpcsim.models.neuron.cells import BallAndSticks
from hpcsim.models.neuron.mechanisms import empty_session
from hpcsim.models.neuron.segments import segments

E_CELL = BallAndSticks(30.0, 30.0, 200.0, 2.0, 1000.0, 3.0)
I_CELL = BallAndSticks(30.0, 15.0, 200.0, 2.0, 200.0, 2.0)


@pytest.mark.parametrize(("shape", "numbers"), [(E_CELL, (1, 5, 21)), (I_CELL, (1, 5, 5))])
def test_segments_are_those_of_lfpy(shape: BallAndSticks, numbers: tuple[int, ...], tmp_path: Path):
    """27 and 11 segments as published, at the same depths, with the same diameters and areas."""
    own = segments(shape)
    assert tuple(own.number(name) for name in ("soma", "dend", "apic")) == numbers
    with empty_session():
        from LFPy import TemplateCell

        file = str(shape.write(tmp_path))
        cell = TemplateCell(templatefile=file, templatename=shape.name, morphology=file, nsegs_method="lambda_f")
        np.testing.assert_allclose(own.z, cell.z, atol=1e-3)
        np.testing.assert_allclose(own.middle, cell.z.mean(axis=1), atol=1e-3)
        np.testing.assert_allclose(own.diameter, cell.d)
        np.testing.assert_allclose(own.area, cell.area)


def test_thicker_sticks_need_fewer_segments():
    """The length constant grows with the root of the diameter."""
    thick = BallAndSticks(30.0, 30.0, 200.0, 2.0, 1000.0, 12.0)
    assert segments(thick).number("apic") < segments(E_CELL).number("apic")
