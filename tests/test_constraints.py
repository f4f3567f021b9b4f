"""The pins: one version of each package for every Python, which fits what pyproject.toml asks for."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = [line.split(" :: ")[-1] for line in PROJECT["classifiers"] if "Python :: 3." in line]


def holds(requirement: Requirement, python: str) -> bool:
    """Whether it is for this Python."""
    versions = {"python_version": python, "python_full_version": f"{python}.1"}
    return requirement.marker is None or requirement.marker.evaluate(versions)


def pins(python: str) -> dict[str, Version]:
    """What pip reads from constraints.txt with this Python."""
    found: dict[str, Version] = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        pin = Requirement(line)
        if holds(pin, python):
            [exact] = pin.specifier
            assert exact.operator == "==" and pin.name not in found, line
            found[pin.name] = Version(exact.version)
    return found


def test_pythons_are_those_that_may_install_it():
    assert PYTHONS[0] == PROJECT["requires-python"].removeprefix(">=") and len(PYTHONS) >= 4


@pytest.mark.parametrize("python", PYTHONS)
def test_each_python_has_a_pin_that_fits_for_each_dependency(python):
    pinned = pins(python)
    for line in [*PROJECT["dependencies"], *(line for lines in PROJECT["optional-dependencies"].values() for line in lines)]:
        requirement = Requirement(line)
        if requirement.name != "hpcsim" and holds(requirement, python):
            assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), f"{line} on Python {python}"


def test_versions_that_made_the_golden_values_stay():
    oldest = pins(PYTHONS[0])
    assert {name: str(oldest[name]) for name in ("numpy", "brian2", "nest-simulator", "neuron", "pycatch22", "torch")} == {
        "numpy": "2.3.5",
        "brian2": "2.9.0",
        "nest-simulator": "3.10.0",
        "neuron": "9.0.2",
        "pycatch22": "1.0.2",
        "torch": "2.13.0",
    }
