"""The stacked matrix of probes against LFPykit and LFPykernels."""

from __future__ import annotations

import numpy as np
import pytest

from hpcsim.models.neuron import ball_and_sticks, probes
from hpcsim.models.neuron.ball_and_sticks_network import ball_and_sticks_network
from hpcsim.models.neuron.segments import segments

VALUES = ball_and_sticks_network.defaults()
CELL = segments(ball_and_sticks.shape(VALUES, "E"))
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

    from hpcsim.models.neuron import connections

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


def test_no_neurons_make_an_empty_matrix():
    """A rank may own none of a population."""
    assert probes.stacked(VALUES, CELL, np.zeros((0, 3))).shape == (27, 0)
