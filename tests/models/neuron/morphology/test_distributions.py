"""Densities over distance and depth."""

from __future__ import annotations

import numpy as np
import pytest

from hpcsim.models.neuron.morphology.distributions import Distribution, Exponential, Linear, Places, Sigmoid, Zone

PLACES = Places(np.array([0.0, 100, 200, 400]), np.array([0.0, 90, -50, 350]), np.array([1, 2, 3, 4]), 400.0)


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        (Linear(2.0, 1.0, -2.0), [2, 1, 0, -2]),
        (Linear(2.0, 1.0, -2.0, lowest=0.5, highest=1.5), [1.5, 1, 0.5, 0.5]),
        (Linear(2.0, 0.0, 0.01, along="distance"), [0, 2, 4, 8]),
        (Linear(2.0, 0.0, 0.01, along="depth"), [0, 1.8, -1, 7]),
        (Exponential(2.0, -1.0, 1.0, np.log(16)), [0, 2, 6, 30]),
        (Exponential(2.0, -1.0, 1.0, np.log(16), highest=7.0), [0, 2, 6, 7]),
        (Exponential(1.0, 0.0, 1.0, np.log(2) / 100, origin=100.0, along="distance"), [0.5, 1, 2, 8]),
        (Exponential(1.0, 0.0, 1.0, np.log(2) / 50, along="depth"), [1, 2**1.8, 0.5, 128]),
        (Sigmoid(2.0, 1.0, 3.0, 0.25, 0.25 / np.log(3)), [2 * (1 + 3 / (1 + 1 / 3)), 5, 2 * (1 + 3 / 4), 2 * (1 + 3 / 28)]),
        # far beyond what an exponential holds
        (Sigmoid(2.0, 1.0, 3.0, 200.0, 1e-3, along="distance"), [8, 8, 5, 2]),
        (Zone(5.0, 1.0, 100.0, 400.0), [1, 1, 5, 1]),
        (Zone(5.0, 1.0, 100.0, 400.0, closed=True), [1, 5, 5, 5]),
        (Zone(5.0, 1.0, 100.0, 400.0, closed=True, without=(3,)), [1, 5, 1, 5]),
    ],
)
def test_known_densities(distribution: Distribution, expected: list[float]):
    np.testing.assert_allclose(distribution.at(PLACES), expected, rtol=1e-12)
