"""The Hay neuron: its membrane, what it refuses, and that it fits where the network takes neurons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpcsim.data.public import DATASETS
from hpcsim.errors import SimulationError, StorageError
from hpcsim.models.neuron.hagen import connections
from hpcsim.models.neuron.hagen.ball_and_sticks_network import ball_and_sticks_network
from hpcsim.models.neuron.hay import cell as hay_cell
from hpcsim.models.neuron.hay.cell import MEMBRANE, reconstructed, synthetic
from hpcsim.models.neuron.hay.cell import hay_cell as on
from hpcsim.models.neuron.morphology.cell import Cell
from hpcsim.models.neuron.morphology.synthetic_pyramid import synthetic_pyramid
from hpcsim.models.neuron.morphology.tree import Morphology
from hpcsim.models.neuron.nmodl import mechanisms

#: A soma, a basal dendrite and an apical one along y.
SWC = """1 1 0 0 0 10 -1
2 1 0 -10 0 10 1
3 1 0 10 0 10 1
4 3 0 -12 0 1 1
5 3 0 -112 0 0.5 4
6 4 0 12 0 2 1
7 4 0 400 0 1.5 6
"""


@pytest.fixture(scope="module")
def cell() -> Cell:
    return synthetic()


def placed(cell: Cell) -> np.ndarray:
    """Middle of each segment; far end of the last one of each section, as the loop of the published template leaves it (um)."""
    found, middle, first = [], cell.segments.distance, 0
    for cable, n in zip(cell.morphology.cables, cell.numbers, strict=True):
        own = middle[first : first + n].copy()
        own[-1] += cable.length / n / 2
        found.append(own)
        first += n
    return np.concatenate(found)


def test_published_densities(cell: Cell):
    """The model of BAC firing and step firing; numbers from the table of the ball-and-sticks network where they are shared."""
    kinds, distance = cell.segments.section, placed(cell)
    soma, basal, apical, axon = (kinds == kind for kind in ("soma", "dend", "apic", "axon"))
    assert cell.density("g_pas")[soma] == 3.38e-5 and (cell.density("g_pas")[apical] == 5.89e-5).all()
    assert cell.density("gbar_NaTa_t")[soma] == 2.04 and (cell.density("gbar_NaTa_t")[apical] == 0.0213).all()
    assert cell.density("gbar_SKv3_1")[soma] == 0.693 and (cell.density("gbar_SKv3_1")[apical] == 0.000261).all()
    assert (cell.density("cm")[basal | apical] == 2).all() and (cell.density("cm")[soma | axon] == 1).all()
    assert not cell.density("gbar_NaTa_t")[basal | axon].any() and (cell.density("gbar_Ih")[basal] == 2e-4).all()
    zone = apical & (distance > 685) & (distance < 885)
    assert 20 < zone.sum() < apical.sum() / 2
    assert (cell.density("gbar_Ca_LVAst")[zone] == 0.0187).all() and (cell.density("gbar_Ca_HVA")[zone] == 0.000555).all()
    assert np.unique(cell.density("gbar_Ca_LVAst")[apical & ~zone]) == pytest.approx([0.000187])
    assert np.unique(cell.density("gbar_Ca_HVA")[apical & ~zone]) == pytest.approx([0.0000555])


def test_Ih_grows_along_the_apical_dendrite(cell: Cell):
    """2.4e-4 S/cm2 at the soma, 0.0153 S/cm2 at the farthest tip, the exponential between them."""
    apical = cell.segments.section == "apic"
    found, part = cell.density("gbar_Ih")[apical], placed(cell)[apical] / cell.morphology.longest("apical")
    np.testing.assert_allclose(found, 2e-4 * (-0.8696 + 2.087 * np.exp(3.6161 * part)), rtol=1e-12)
    assert found.min() == pytest.approx(2.6e-4, rel=0.1) and found.max() == pytest.approx(0.0153, rel=0.01)


def test_neuron_gets_the_membrane(neuron_cache: Path, cell: Cell):
    """Each segment its densities, reversal potentials where they are needed, and nothing else."""
    hay_cell.load(neuron_cache)
    with mechanisms.empty_session() as h:
        sections, points = cell.create(h)
        cell.activate(h, sections)
        assert len(points) == len(cell.segments) == 679
        for attribute in ("cm", "g_pas", "gbar_Ih", "gbar_Ca_LVAst", "gbar_K_Pst", "gamma_CaDynamics_E2"):
            found = [getattr(point, attribute, 0.0) for point in points]
            np.testing.assert_allclose(found, cell.density(attribute), rtol=1e-12)
        np.testing.assert_allclose([point.area() for point in points], cell.segments.area, rtol=1e-6)
        assert {section.Ra for section in sections} == {100.0} and {point.e_pas for point in points} == {-90.0}
        assert (sections[0].ena, sections[0].ek, sections[0].ehcn_Ih) == (50.0, -85.0, -45.0)
        axon = sections[-1]
        assert not any(hasattr(axon, name) for name in ("gbar_Ih", "ena", "ek"))
        del sections, points, axon


@pytest.mark.parametrize("rule", ["40_um", "lambda_100"])
def test_segments_are_short(rule: str):
    """Shorter than 40 um, or as NEURON's own rule of a tenth of the length constant at 100 Hz has them."""
    cell = synthetic(rule)
    assert all(n % 2 for n in cell.numbers)
    if rule == "40_um":
        assert max(cable.length / n for cable, n in zip(cell.morphology.cables, cell.numbers, strict=True)) < 40
        return
    with mechanisms.empty_session() as h:
        h.load_file("stdlib.hoc")
        sections = cell.morphology.create(h, [1] * len(cell.numbers))
        for section, cable, n in zip(sections, cell.morphology.cables, cell.numbers, strict=True):
            section.Ra, section.cm = 100, 2 if cable.kind in ("dend", "apic") else 1
            assert n == int((section.L / (0.1 * h.lambda_f(100, sec=section)) + 0.9) / 2) * 2 + 1
        del sections, section


def test_sites_are_where_they_say(cell: Cell):
    """At the distance, on the apical dendrite; on the trunk rather than on a thin branch beside it."""
    for distance in (100.0, 300.0, 620.0, 800.0):
        index = cell.site(distance)
        assert cell.segments.section[index] == "apic"
        assert cell.segments.distance[index] == pytest.approx(distance, abs=20)
    # an oblique branch is there, too
    assert cell.segments.diameter[cell.site(300.0)] > 2
    with pytest.raises(SimulationError, match=r"no place 2000 um from the soma; it reaches 1190 um"):
        cell.site(2000.0)


def test_a_morphology_without_a_list_is_refused():
    """Before anything is built."""
    bare = Morphology(tuple(c for c in synthetic_pyramid().with_axon_stub().cables if c.kind != "apic"), "bare.asc")
    with pytest.raises(SimulationError, match=r"bare\.asc has no apical sections, only somatic, axonal, basal"):
        on(bare)
    with pytest.raises(SimulationError, match=r'no section list "apicale"; did you mean "apical"'):
        Cell(synthetic_pyramid(), {"apicale": {}})
    with pytest.raises(SimulationError, match=r'no rule "40um" for segments; did you mean "40_um"'):
        synthetic("40um")
    with pytest.raises(SimulationError, match=r"cm of apical is 0 uF/cm2; it must be above 0"):
        Cell(synthetic_pyramid(), {"apical": {"cm": 0}})
    with pytest.raises(SimulationError, match=r'no reversal potential "eNa"; did you mean "ena"'):
        Cell(synthetic_pyramid(), {}, {"eNa": 50.0})


def test_whole_numbers_are_densities():
    """As users write them."""
    cell = Cell(synthetic_pyramid(), {"apical": {"cm": 2, "g_pas": 0}})
    assert set(cell.capacitance.tolist()) == {1.0, 2.0} and not cell.density("g_pas").any()
    assert cell.numbers == Cell(synthetic_pyramid(), {"apical": {"cm": 2.0}}).numbers


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("gbar_Ca_HVAA", r'apical membrane has "gbar_Ca_HVAA", and no mechanism "Ca_HVAA" is loaded; did you mean "Ca_HVA"'),
        ("gbr_Ih", r'apical membrane has "gbr_Ih", which no mechanism there has'),
    ],
)
def test_membranes_that_neuron_does_not_know(neuron_cache: Path, attribute: str, message: str):
    """A mechanism that is not loaded, and an attribute that it has not."""
    hay_cell.load(neuron_cache)
    wrong = Cell(synthetic_pyramid(), {"apical": {attribute: 1.0}})
    with mechanisms.empty_session() as h, pytest.raises(SimulationError, match=message):
        wrong.activate(h, wrong.create(h)[0])


def test_a_mechanism_that_does_not_compile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The words of the compiler reach the user, with the file."""
    from hpcsim import paths as assets

    text = (assets.folder("mod") / "Im.mod").read_text()
    (tmp_path / "Im.mod").write_text(text.replace("m' = (m_inf - m) / m_tau", "m' = (m_inf - m / m_tau"))
    monkeypatch.setattr(assets, "folder", lambda name: tmp_path)
    with pytest.raises(SimulationError, match=r"could not compile Im\.mod \(exit code \d+\):(.|\n)*(?i:error)(.|\n)*Im\.mod"):
        mechanisms.library(["Im"], tmp_path / "cache")


def test_reconstruction_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A file of the user by its path; otherwise the public one, which is not there without a network."""
    monkeypatch.setenv("HPCSIM_DATA", str(tmp_path))
    monkeypatch.setenv("HPCSIM_CACHE", str(tmp_path / "cache"))
    public = replace(DATASETS["hay2011/cell1.asc"], url="http://127.0.0.1:9/cell1.asc")
    monkeypatch.setitem(DATASETS, "hay2011/cell1.asc", public)
    with pytest.raises(StorageError, match=r"hay2011/cell1\.asc cannot be fetched.*set HPCSIM_DATA"):
        reconstructed()
    path = tmp_path / "own.swc"
    path.write_text(SWC)
    with pytest.raises(SimulationError, match="is another file"):
        reconstructed(path, checksum="sha256:0")
    made = reconstructed(path)
    assert made.morphology.length("axonal") == pytest.approx(60)
    # what was along y is along z
    assert made.segments.z[made.segments.section == "apic"].max() == pytest.approx(400, rel=0.05)


def test_it_fits_the_network(cell: Cell):
    """Synapses and drive of the network take its segments as those of ball-and-sticks neurons."""
    values: dict[str, Any] = {**ball_and_sticks_network.defaults(), "scale": 0.25}
    drawn = connections.synapses(values, 1, "E:E", 3, 0.0, cell.segments)
    assert len(drawn) > 100 and set(cell.segments.section[drawn.segment]) <= {"apic", "dend"}
    # layers of excitatory synapses around 0 and 500 um, 100 um wide, by membrane area
    depth = cell.segments.middle[drawn.segment]
    near, far = (np.abs(depth - layer) < 300 for layer in (0, 500))
    assert (near | far).all() and (depth > 250).mean() > 0.15 and (depth < 250).mean() > 0.4
    spread = connections.drive(values, 1, "E", 3, cell.segments).synapses
    assert spread.sum() == values["n_ext_E"]


def test_the_table_cannot_be_changed():
    """A neuron after another is the same neuron."""
    with pytest.raises(TypeError):
        MEMBRANE["axonal"] = {}  # type: ignore[index]
