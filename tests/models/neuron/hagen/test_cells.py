"""The neurons of the network: published geometry, NEURON's own by way of LFPy, and what is chosen by parameters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hpcsim.models.neuron.hagen import cells
from hpcsim.models.neuron.hagen.ball_and_sticks_network import ball_and_sticks_network
from hpcsim.models.neuron.nmodl.mechanisms import empty_session

VALUES = ball_and_sticks_network.defaults()


@pytest.mark.parametrize(("population", "numbers", "bottom", "top"), [("E", (1, 5, 21), -215, 1015), ("I", (1, 5, 5), -215, 215)])
def test_published_geometry(population: str, numbers: tuple[int, ...], bottom: float, top: float, tmp_path: Path):
    """27 and 11 segments of Hagen et al. (2022) between the published depths; LFPy would cut them in the same way."""
    cell = cells.cell(VALUES, population)
    own = cell.segments
    assert tuple(own.number(name) for name in ("soma", "dend", "apic")) == numbers
    with empty_session():
        from LFPy import TemplateCell

        file, name = str(cell.morphology.write(tmp_path, (1, 1, 1))), cell.morphology.name((1, 1, 1))
        made = TemplateCell(templatefile=file, templatename=name, morphology=file, nsegs_method="lambda_f", Ra=100.0, cm=1.0)
        assert (made.z.min(), made.z.max()) == (bottom, top)
        np.testing.assert_allclose(own.z, made.z, atol=1e-3)
        np.testing.assert_allclose(own.middle, made.z.mean(axis=1), atol=1e-3)
        np.testing.assert_allclose(own.diameter, made.d)
        np.testing.assert_allclose(own.area, made.area)
        assert not own.x.any() and not own.y.any()
        soma = made.area[made.get_idx("soma")].sum()
    assert soma == pytest.approx(np.pi * VALUES[f"soma_length_{population}"] * VALUES[f"soma_diameter_{population}"])


def test_thicker_sticks_need_fewer_segments():
    """The length constant grows with the root of the diameter."""
    thick = cells.cell({**VALUES, "apic_diameter_E": 12.0}, "E")
    assert thick.segments.number("apic") < cells.cell(VALUES, "E").segments.number("apic")


def test_published_membrane():
    """The table of Hagen et al. (2022): soma, and both sticks."""
    cell = cells.cell(VALUES, "I")
    for attribute, soma, sticks in (
        ("g_pas", 3.38e-5, 5.89e-5), ("gbar_NaTa_t", 2.04, 0.0213), ("gbar_SKv3_1", 0.693, 0.000261), ("gbar_Ih", 0.0002, 0.002),
    ):  # fmt: skip
        np.testing.assert_array_equal(cell.density(attribute), [soma, *10 * [sticks]])
    assert cell.reversals == {"e_pas": -90.0, "ena": 50.0, "ek": -85.0, "ehcn_Ih": -45.0}
    assert cell.Ra == 100.0 and (cell.capacitance == 1.0).all()


def test_shapes_have_names_of_their_own():
    """NEURON cannot define a template twice, so that another shape needs another name."""
    one, other = (cells.cell(VALUES, population) for population in "EI")
    assert one.morphology.name(one.numbers) != other.morphology.name(other.numbers)
    same = cells.cell({**VALUES, "g_Ih_soma": 0.0, "Ra": 150.0}, "E")
    assert same.morphology.name(one.numbers) == one.morphology.name(one.numbers)


def test_the_pyramidal_neuron_takes_the_place_of_E_alone():
    """With the reversal potentials and the axial resistivity of the network, and its own capacitances."""
    values = {**VALUES, "cell_E": "hay2011_synthetic", "E_h": -40.0, "Ra": 90.0}
    cell = cells.cell(values, "E")
    assert len(cell.segments) == 679 and cell.reversals["ehcn_Ih"] == -40.0 and cell.Ra == 90.0
    assert set(cell.capacitance.tolist()) == {1.0, 2.0}
    assert len(cells.cell(values, "I").segments) == 11
    assert cells.cell({**values, "N_E": 3}, "E") is cell


def test_the_reconstruction_is_that_of_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Another file is refused with what it should be, and with what to do; before anything runs."""
    monkeypatch.setenv("HPCSIM_DATA", str(tmp_path))
    (tmp_path / "hay2011").mkdir()
    (tmp_path / "hay2011/cell1.asc").write_text("((CellBody) (0 0 0 1))")
    problem = ball_and_sticks_network.check({**VALUES, "cell_E": "hay2011"})
    assert 'cell_E is "hay2011"' in problem and "is not the file that is known as hay2011/cell1.asc" in problem
    assert 'cell_E = "hay2011_synthetic"' in problem
