"""Convolution without ``scipy.signal``."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.signal import fftconvolve

from hpcsim.stages.signals.convolution import convolved


@pytest.mark.parametrize("n", [1, 2, 5, 100, 3000, 16000])
@pytest.mark.parametrize("lags", [1, 3, 7, 301, 3201])
@pytest.mark.parametrize(("counted", "stored"), [("int32", "float64"), ("int64", "float32"), ("float32", "float32")])
def test_the_bits_are_those_of_scipy(n: int, lags: int, counted: str, stored: str):
    """Results of studies that are finished stay as they are."""
    random = np.random.default_rng(1)
    counts, kernels = random.poisson(3, (2, n)).astype(counted), random.normal(size=(4, 2, lags)).astype(stored)
    found = convolved(counts, kernels)
    for pathway in range(4):
        for channel in range(2):
            expected = fftconvolve(counts[pathway % 2], kernels[pathway, channel], mode="same")
            np.testing.assert_array_equal(found[pathway, channel], expected)


def test_a_task_does_not_wait_for_the_import_of_scipy_signal():
    code = (
        "import sys, numpy as np; from hpcsim.stages.signals.convolution import summed; "
        "summed(np.ones((2, 50)), np.ones((4, 3))); print('scipy.signal' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
