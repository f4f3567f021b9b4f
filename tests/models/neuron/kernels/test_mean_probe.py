"""The probe of the average neuron against adaptive quadrature, LFPykernels, and the probes of single neurons."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from hpcsim.models.neuron.hagen import cells
from hpcsim.models.neuron.kernels import mean_probe
from hpcsim.models.neuron.kernels.kernel import kernel
from hpcsim.models.neuron.kernels.mean_probe import MeanProbe
from hpcsim.models.neuron.morphology.segments import Segments
from hpcsim.models.neuron.signals import probes

VALUES = kernel.defaults()
CELL = cells.cell(VALUES, "E").segments
CONTACTS = np.array(VALUES["contacts"])


def quadrature(x: float, sigma: float, radius: float, std: float) -> float:
    """The integral over depths, piece by piece between the places where it bends."""
    from scipy.integrate import quad

    def integrand(s: float) -> float:
        disc = (np.sqrt((x - s) ** 2 + radius**2) - abs(x - s)) / (2 * np.pi * radius**2 * sigma)
        return float(disc * np.exp(-0.5 * (s / std) ** 2) / (std * np.sqrt(2 * np.pi)))

    edges = [-9 * std, -3 * std, 0.0, 3 * std, 9 * std]
    edges += [place for place in (x, x - radius, x + radius) if abs(place) < 9 * std]
    edges.sort()
    return sum(quad(integrand, a, b, epsabs=0, epsrel=1e-12, limit=500)[0] for a, b in pairwise(edges))


@pytest.mark.parametrize(("radius", "std"), [(150.0, 75.0), (500.0, 3.0), (100.0, 1000.0), (20.0, 1e-3), (3.0, 10.0)])
def test_potentials_are_those_of_adaptive_quadrature(radius: float, std: float):
    """Wide and narrow discs and populations, to 1e-9."""
    distances = np.array([0.0, 5.0, 77.7, 300.0, 1000.0])
    found = mean_probe.mean_potentials(distances, 0.3, radius, std)
    expected = [quadrature(float(x), 0.3, radius, std) for x in distances]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_potentials_are_those_of_lfpykernels():
    """To the tolerance of its quadrature."""
    from lfpykernels import GaussCylinderPotential
    from lfpykit import CellGeometry

    cell = CellGeometry(x=np.zeros_like(CELL.z), y=np.zeros_like(CELL.z), z=CELL.z, d=CELL.diameter)
    library = GaussCylinderPotential(cell, CONTACTS[::6], sigma=0.3, R=150.0, sigma_z=75.0).get_transformation_matrix()
    np.testing.assert_allclose(mean_probe.stacked(VALUES, CELL.x, CELL.y, CELL.z)[0:13:6], library, rtol=1e-6)


@pytest.mark.parametrize("thickness", [100.0, 7.0])
def test_source_densities_are_the_mean_over_shifted_neurons(thickness: float):
    """Twenty thousand neurons at even quantiles of the depth, each seen by the probe of the network."""
    from scipy.special import ndtri

    n = 20_000
    depths = 75.0 * ndtri((np.arange(n) + 0.5) / n)
    found = mean_probe.mean_source_densities(CELL.z, CONTACTS, thickness, 150.0, 75.0)
    assert found.max() > 0.03 / (np.pi * 150**2 * thickness)
    for i in (0, 5, len(CELL) - 1):
        z = CELL.z[i] + depths[:, None]
        nowhere = np.zeros((n, 2))
        each = probes.source_densities(nowhere, nowhere, z, CONTACTS, thickness, 150.0)
        np.testing.assert_allclose(found[:, i], each.mean(axis=1), rtol=0, atol=1e-4 * found.max())


def test_all_rows_are_the_mean_over_a_population():
    """Neurons as the network places them, through the stacked matrix of the network's probes."""
    from hpcsim.models.neuron.hagen import connections

    n = 1000
    values = {**VALUES, "contacts": (500.0, 0.0)}
    positions = np.array([connections.position(values, 1, "E", i) for i in range(n)])
    each = probes.stacked(values, CELL, positions).reshape(5, n, len(CELL))
    found = mean_probe.stacked(values, CELL.x, CELL.y, CELL.z)
    error = each.std(axis=1) / np.sqrt(n) + 1e-12 * np.abs(found)
    assert (np.abs(each.mean(axis=1) - found) < 5 * error + 1e-3 * found.max(axis=1, keepdims=True)).all()


@pytest.mark.parametrize("lateral", [20.0, 140.0, 150.0, 330.0])
def test_potentials_beside_the_axis_are_those_of_adaptive_quadrature(lateral: float):
    """Rings around the contact, as far as the disc beside it holds them; to 1e-3 of the potential at its middle."""
    from scipy.integrate import quad

    radius, std, distances = 150.0, 75.0, np.array([[0.0], [80.0], [400.0]])

    def expected(x: float) -> float:
        def ring(rho: float) -> float:
            part = np.clip((rho**2 + lateral**2 - radius**2) / (2 * rho * lateral), -1, 1)
            s = x + std * np.linspace(-9, 9, 2001)
            weight = np.exp(-0.5 * ((s - x) / std) ** 2)
            return float(np.arccos(part) / np.pi * rho * (weight / np.hypot(rho, s)).sum() / weight.sum())

        edges = sorted({1e-6, abs(radius - lateral) + 1e-6, radius + lateral})
        rings = sum(quad(ring, a, b, epsrel=1e-6)[0] for a, b in pairwise(edges))
        return rings / (2 * np.pi * radius**2 * 0.3)

    found = mean_probe.beside_potentials(distances, np.array([lateral]), 0.3, radius, std)
    middle = mean_probe.mean_potentials(distances, 0.3, radius, std)
    np.testing.assert_allclose(found[:, 0], [expected(float(x)) for x in distances[:, 0]], rtol=0, atol=1e-3 * middle[0, 0])
    assert (found < middle).all() and found[0, 0] < 0.999 * middle[0, 0]


def test_what_lies_beside_its_soma_is_seen_as_the_network_sees_it():
    """A branched neuron at 4000 places, through the stacked matrix of the network's probes."""
    values = {**VALUES, "cell_E": "hay2011_synthetic", "contacts": (500.0, 100.0)}
    every, rng, n = cells.cell(values, "E").segments, np.random.default_rng(1), 4000
    chosen = rng.choice(len(every), 60, replace=False)
    own = Segments(**{field.name: getattr(every, field.name)[chosen] for field in fields(Segments)})
    rho, angle = 150 * np.sqrt(rng.random(n)), 2 * np.pi * rng.random(n)
    positions = np.stack([rho * np.cos(angle), rho * np.sin(angle), 75 * rng.standard_normal(n)], axis=1)
    each = probes.stacked(values, own, positions).reshape(5, n, len(own))
    found = mean_probe.stacked(values, own.x, own.y, own.z)
    assert np.hypot(own.x, own.y).max() > 200
    error = each.std(axis=1) / np.sqrt(n) + 1e-3 * found.max(axis=1, keepdims=True)
    assert (np.abs(each.mean(axis=1) - found)[:4] < 4 * error[:4]).all()
    # on the axis of their somata, as LFPykernels has it, they are not
    centred = mean_probe.stacked(values, 0 * own.x, 0 * own.y, own.z)
    assert (np.abs(each.mean(axis=1) - centred)[:2] > 20 * error[:2]).any()


def test_level_segments_are_the_limit_of_sloping_ones():
    """Of which the formula would be zero over zero."""
    rises = (1e-6, 0.02, 0.0)
    found = [mean_probe.mean_source_densities(np.array([[30.0, 30.0 + rise]]), CONTACTS, 100.0, 150.0, 75.0) for rise in rises]
    np.testing.assert_allclose(found[0], found[2], rtol=0, atol=1e-9 * found[2].max())
    np.testing.assert_allclose(found[1], found[2], rtol=0, atol=1e-3 * found[2].max())


def test_what_flows_in_flows_out():
    """Discs that cover all depths hold every segment once."""
    contacts = np.arange(-1000.0, 2100.0, 50.0)
    density = mean_probe.mean_source_densities(CELL.z, contacts, 50.0, 150.0, 75.0)
    np.testing.assert_allclose(density.sum(axis=0) * np.pi * 150**2 * 50, 1, rtol=1e-12)


def test_matrices_are_kept_by_geometry():
    """The same one for the same cell and contacts; another one for others."""
    memo: dict = {}
    probe = MeanProbe(VALUES, memo)
    probe.cell = SimpleNamespace(x=CELL.x, y=CELL.y, z=CELL.z)
    first = probe.get_transformation_matrix()
    assert first.shape == (27, 27)
    again = MeanProbe({**VALUES, "V_rest_offset": 3.0}, memo)
    again.cell = SimpleNamespace(x=CELL.x, y=CELL.y, z=CELL.z.copy())
    assert again.get_transformation_matrix() is first
    others = (({"depth_std": 70.0}, (0, 0, 0)), ({"contacts": (0.0,)}, (0, 0, 0)), *(({}, row) for row in np.eye(3)))
    for changes, moved in others:
        other = MeanProbe({**VALUES, **changes}, memo)
        other.cell = SimpleNamespace(x=CELL.x + moved[0], y=CELL.y + moved[1], z=CELL.z + moved[2])
        assert not np.array_equal(other.get_transformation_matrix(), first)
