"""The stacked matrix of probes against LFPykit and LFPykernels."""

from __future__ import annotations

import numpy as np
import pytest

from hpcsim.models.neuron.hagen import cells
from hpcsim.models.neuron.hagen.ball_and_sticks_network import ball_and_sticks_network
from hpcsim.models.neuron.signals import probes

VALUES = ball_and_sticks_network.defaults()
CELL = cells.cell(VALUES, "E").segments
CONTACTS = np.array(VALUES["contacts"])
POSITIONS = np.array([[50.0, 20.0, 30.0], [0.0, -100.0, -80.0]])


def geometries():
    from lfpykit import CellGeometry

    for x, y, z in POSITIONS:
        yield CellGeometry(x=np.full_like(CELL.z, x), y=np.full_like(CELL.z, y), z=CELL.z + z, d=CELL.diameter)


def blocks(rows: slice) -> list[np.ndarray]:
    """Part of the matrix, one block a neuron."""
    return np.split(probes.stacked(VALUES, CELL, POSITIONS)[rows], len(POSITIONS), axis=1)


def test_potentials_are_those_of_lfpykit():
    """Contacts of 5 um differ from points by the curvature of the potential."""
    from lfpykit import RecExtElectrode

    zeros = np.zeros_like(CONTACTS)
    for cell, found in zip(geometries(), blocks(slice(0, 13)), strict=True):
        electrode = RecExtElectrode(cell, sigma=0.3, x=zeros, y=zeros, z=CONTACTS, method="linesource")
        np.testing.assert_allclose(found, electrode.get_transformation_matrix(), rtol=5e-3)


def test_small_contacts_are_points(monkeypatch: pytest.MonkeyPatch):
    """To rounding: what is left of the difference is the size of the contacts."""
    from lfpykit import RecExtElectrode

    monkeypatch.setattr(probes, "CONTACT_RADIUS", 1e-9)
    zeros = np.zeros_like(CONTACTS)
    for cell, found in zip(geometries(), blocks(slice(0, 13)), strict=True):
        electrode = RecExtElectrode(cell, sigma=0.3, x=zeros, y=zeros, z=CONTACTS, method="linesource")
        np.testing.assert_allclose(found, electrode.get_transformation_matrix(), rtol=1e-9)


@pytest.mark.filterwarnings("ignore:All compartments should be shorter")
def test_source_densities_are_those_of_lfpykit():
    """Discs of 100 um around the contacts."""
    from lfpykit import LaminarCurrentSourceDensity

    edges = np.stack([CONTACTS - 50, CONTACTS + 50], axis=1)
    for cell, found in zip(geometries(), blocks(slice(13, 26)), strict=True):
        densities = LaminarCurrentSourceDensity(cell, z=edges, r=np.full(13, 150.0))
        np.testing.assert_allclose(found, densities.get_transformation_matrix(), rtol=1e-9, atol=1e-15)


def test_moments_are_those_of_lfpykit():
    """The z row."""
    from lfpykit import CurrentDipoleMoment

    for cell, found in zip(geometries(), blocks(slice(26, 27)), strict=True):
        np.testing.assert_allclose(found[0], CurrentDipoleMoment(cell).get_transformation_matrix()[2])


def test_mean_over_a_population_is_the_potential_of_the_kernels():
    """The average neuron of a population that is drawn as somata are: what LFPykernels integrates."""
    from lfpykernels import GaussCylinderPotential
    from lfpykit import CellGeometry

    from hpcsim.models.neuron.hagen import connections

    positions = np.array([connections.position(VALUES, 1, "E", i) for i in range(1000)])
    values = {**VALUES, "contacts": (500.0,)}
    each = probes.stacked(values, CELL, positions)[0].reshape(1000, len(CELL))
    cell = CellGeometry(x=np.zeros_like(CELL.z), y=np.zeros_like(CELL.z), z=CELL.z, d=CELL.diameter)
    mean = GaussCylinderPotential(cell, np.array([500.0]), sigma=0.3, R=150.0, sigma_z=75.0).get_transformation_matrix()
    error = each.std(axis=0) / np.sqrt(len(positions))
    assert (np.abs(each.mean(axis=0) - mean[0]) < 4 * error).all() and (error < 0.05 * mean[0]).all()


def test_neurons_outside_the_cylinder_have_no_source_density():
    """Its volume does not hold them."""
    outside = probes.stacked(VALUES, CELL, np.array([[151.0, 0.0, 0.0]]))
    assert not outside[13:26].any() and outside[:13].all()


def lines(n: int) -> tuple[np.ndarray, ...]:
    """Segments in all directions, across the surface of the cylinder and the discs; the last two are level and upright."""
    rng = np.random.default_rng(4)
    start = rng.uniform((-200, -200, -300), (200, 200, 1100), (n, 3))
    ends = np.stack([start, start + rng.normal(0, 40, (n, 3))], axis=2)
    ends[-2] = [[-30.0, 140.0], [10.0, 90.0], [120.0, 120.0]]
    ends[-1, :2] = [[30.0, 30.0], [40.0, 40.0]]
    return ends[:, 0], ends[:, 1], ends[:, 2]


def test_parts_of_lines_in_discs_are_counted_by_many_points():
    """Ten thousand points of each line: so many lie in the disc."""
    x, y, z = lines(50)
    found = probes.source_densities(x, y, z, CONTACTS, 100.0, 150.0) * np.pi * 150**2 * 100
    part = (np.arange(10_000) + 0.5) / 10_000
    px, py, pz = (ends[:, :1] + part * (ends[:, 1:] - ends[:, :1]) for ends in (x, y, z))
    near = np.hypot(px, py) <= 150
    expected = [(near & (contact - 50 <= pz) & (pz < contact + 50)).mean(axis=1) for contact in CONTACTS]
    np.testing.assert_allclose(found, expected, atol=3e-4)
    assert ((found > 0.01) & (found < 0.99)).sum() > 15 and found[:, -2].sum() > 0


def test_potentials_of_branches_are_those_of_lfpykit(monkeypatch: pytest.MonkeyPatch):
    """Line sources in all directions."""
    from lfpykit import CellGeometry, RecExtElectrode

    monkeypatch.setattr(probes, "CONTACT_RADIUS", 1e-9)
    x, y, z = lines(50)
    cell, zeros = CellGeometry(x=x, y=y, z=z, d=np.full(50, 1.0)), np.zeros_like(CONTACTS)
    electrode = RecExtElectrode(cell, sigma=0.3, x=zeros, y=zeros, z=CONTACTS, method="linesource")
    found = probes.potentials(x, y, z, np.full(50, 1.0), CONTACTS, 0.3)
    np.testing.assert_allclose(found, electrode.get_transformation_matrix(), rtol=1e-9)


def test_no_neurons_make_an_empty_matrix():
    """A rank may own none of a population."""
    assert probes.stacked(VALUES, CELL, np.zeros((0, 3))).shape == (27, 0)
