"""Ball-and-sticks cells against the published geometry and channel kinetics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hpcsim.models.neuron.cells import BallAndSticks
from hpcsim.models.neuron.mechanisms import empty_session

E_CELL = BallAndSticks(30.0, 30.0, 200.0, 2.0, 1000.0, 3.0)
I_CELL = BallAndSticks(30.0, 15.0, 200.0, 2.0, 200.0, 2.0)


@pytest.mark.parametrize(("shape", "segments", "bottom", "top"), [(E_CELL, 27, -215, 1015), (I_CELL, 11, -215, 215)])
def test_published_geometry(shape, segments, bottom, top, tmp_path: Path):
    """27 and 11 segments, of Hagen et al. (2022), between the published depths."""
    with empty_session():
        from LFPy import TemplateCell

        file = str(shape.write(tmp_path))
        cell = TemplateCell(templatefile=file, templatename=shape.name, morphology=file, nsegs_method="lambda_f")
        assert cell.totnsegs == segments
        assert (cell.z.min(), cell.z.max()) == (bottom, top)
        assert np.all(cell.x == 0)
        soma = cell.get_idx("soma")
        assert cell.area[soma].sum() == pytest.approx(np.pi * shape.soma_length * shape.soma_diameter)


def test_shapes_have_names_of_their_own():
    """NEURON cannot define a template twice, so that another shape needs another name."""
    assert E_CELL.name != I_CELL.name
    assert E_CELL.name == BallAndSticks(30.0, 30.0, 200.0, 2.0, 1000.0, 3.0, Ra=100.0, cm=1.0).name
    assert E_CELL.name != BallAndSticks(30.0, 30.0, 200.0, 2.0, 1000.0, 3.0, Ra=150.0).name
