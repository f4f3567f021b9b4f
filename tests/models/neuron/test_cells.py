"""Ball-and-sticks cells against the published geometry and channel kinetics."""

from __future__ import annotations

from math import exp
from pathlib import Path

import numpy as np
import pytest

from hpcsim.models.neuron.cells import BallAndSticks, Channels, Ih_open, NaTa_t_open, SKv3_1_open, insert_membrane
from hpcsim.models.neuron.mechanisms import empty_session

E_CELL = BallAndSticks(30.0, 30.0, 200.0, 2.0, 1000.0, 3.0)
I_CELL = BallAndSticks(30.0, 15.0, 200.0, 2.0, 200.0, 2.0)


def test_open_fractions_at_rest():
    """Numbers from a separate evaluation of the published equations at -65 mV."""
    assert NaTa_t_open(-65.0) == pytest.approx(1.8931011e-06, rel=1e-6)
    assert SKv3_1_open(-65.0) == pytest.approx(1.7883538e-04, rel=1e-6)
    assert Ih_open(-65.0) == pytest.approx(1.1059225e-02, rel=1e-6)


@pytest.mark.parametrize(("fraction", "v"), [(NaTa_t_open, -38.0), (NaTa_t_open, -66.0), (Ih_open, -154.9)])
def test_open_fractions_are_continuous_where_a_rate_is_zero_over_zero(fraction, v):
    """Both sides of a removable singularity agree with its limit."""
    assert fraction(v) == pytest.approx(fraction(v + 1e-4), rel=1e-3)
    assert fraction(v) == pytest.approx(fraction(v - 1e-4), rel=1e-3)


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


def test_frozen_membrane_is_a_leak_of_all_channels(tmp_path: Path):
    """g_pas = leak + open fractions times peak conductances, e_pas = the resting potential."""
    channels = Channels(3.38e-5, 2.04, 0.693, 0.0002)
    with empty_session():
        from LFPy import TemplateCell

        file = str(I_CELL.write(tmp_path))
        cell = TemplateCell(templatefile=file, templatename=I_CELL.name, morphology=file)
        insert_membrane(cell, channels, channels, -70.0, -45.0, "frozen")
        section = next(iter(cell.template.all))
        alpha = 0.00643 * 84.9 / (exp(84.9 / 11.9) - 1)
        Ih = alpha / (alpha + 0.193 * exp(-70 / 33.1))
        expected = 3.38e-5 + 2.04 * NaTa_t_open(-70) + 0.693 / (1 + exp(88.7 / 9.7)) + 0.0002 * Ih
        assert section.g_pas == pytest.approx(expected, rel=1e-12)
        assert section.e_pas == -70.0


def test_shapes_have_names_of_their_own():
    """NEURON cannot define a template twice, so that another shape needs another name."""
    assert E_CELL.name != I_CELL.name
    assert E_CELL.name == BallAndSticks(30.0, 30.0, 200.0, 2.0, 1000.0, 3.0, Ra=100.0, cm=1.0).name
    assert E_CELL.name != BallAndSticks(30.0, 30.0, 200.0, 2.0, 1000.0, 3.0, Ra=150.0).name
