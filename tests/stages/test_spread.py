from __future__ import annotations

import numpy as np
import pytest

from hpcsim.stages.spread import varies

NOISE = np.random.default_rng(1).normal(size=100)


@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        (NOISE, True),
        (NOISE * 1e-140, True),
        (NOISE * 1e140, True),
        (NOISE + 1e12, True),
        (np.arange(100) % 2, True),
        (NOISE * 1e-150, False),
        (NOISE * 1e155, False),
        (np.where(np.arange(100) % 2, 1.7e308, -1.7e308), False),
        (np.full(100, 0.1), False),
        (np.full(100, 0.1) * np.where(np.arange(100) % 2, 3, 0.3 * 10), False),
        (np.zeros(100), False),
        (np.append(NOISE, np.nan), False),
        (np.append(NOISE, -np.inf), False),
    ],
)
def test_what_varies(signal: np.ndarray, expected: bool) -> None:
    assert bool(varies(signal)) is expected
    assert varies(np.stack([signal, np.arange(len(signal))])).tolist() == [expected, True]
