"""Inference and searches that are killed at random moments give what they give undisturbed, to the bit."""

from __future__ import annotations

import random
import signal

import pytest
from absent import needed
from fault_fits import KINDS, Fit, undisturbed

pytestmark = pytest.mark.faults
NUMBERS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.name)
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_to_the_bit(tmp_path, request, record_property, kind, number):
    needed("cma" if kind == "CMA-ES" else "sbi")
    trials, seed = request.config.getoption("--trials"), request.config.getoption("--seed")
    right, seconds = undisturbed(kind)
    most = 0
    for trial in range(trials):
        folder = tmp_path / str(trial)
        folder.mkdir()
        name, fit = f"{seed}, {kind}, {number.name}, {trial}", Fit(folder, kind)
        most = max(most, fit.disturbed(number, random.Random(name), seconds))
        found = fit.found()
        rows = sum(key.startswith("row ") for key in found)
        differ = [key for key in right.keys() | found.keys() if right.get(key) != found.get(key)]
        lost, doubled = len(right.keys() - found.keys()), found["rows"] - rows
        assert (lost, doubled) == (0, 0) and not differ, f"seed {name}: {differ[:10]}\n{fit.told()}"
        assert fit.left() == [], f"seed {name}"
    record_property("faults", (f"{kind}, {number.name} twice", "inline", trials, 0, 0, 0, "-", most))
