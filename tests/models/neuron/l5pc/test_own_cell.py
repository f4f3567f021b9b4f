"""The page on fitting neurons: its module, its features and its study, as they stand there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from absent import needed
from reconstruction import ASC

import hpcsim
from hpcsim.errors import SimulationError
from hpcsim.scheduler.sweep import sweep
from hpcsim.scheduler.target import Target

needed("efel")

PAGE = Path(__file__).parents[4] / "docs/tutorials/fitting.md"
LEAK = """NEURON { SUFFIX own_leak NONSPECIFIC_CURRENT i RANGE g, e }
UNITS { (mV) = (millivolt) (mA) = (milliamp) (S) = (siemens) }
PARAMETER { g = 1e-4 (S/cm2) e = -75 (mV) }
ASSIGNED { v (mV) i (mA/cm2) }
BREAKPOINT { i = g * (v - e) }
"""


def block(name: str) -> str:
    """The code of a file on the page."""
    found = re.search(rf"^`{re.escape(name)}`:\n\n```\w+\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("own_cell.py", "features.json", "own.toml"):
        (tmp_path / name).write_text(block(name))
    (tmp_path / "own.asc").write_text(ASC)
    (tmp_path / "own_leak.mod").write_text(LEAK)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_is_short():
    """A module and a study of under 60 lines together with the features."""
    lines = [line for name in ("own_cell.py", "features.json", "own.toml") for line in block(name).splitlines() if line.strip()]
    assert len(lines) < 60
    study = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)[0]
    assert tomllib.loads(study)["study"]["model"] == "neuron.l5pc"


def test_a_study_of_an_own_cell(folder: Path, neuron_cache: Path, monkeypatch: pytest.MonkeyPatch):
    """Features by the names of eFEL, with the means and standard deviations of the file; its own mechanism is compiled."""
    monkeypatch.setenv("HPCSIM_CACHE", str(neuron_cache))
    (folder / "own.toml").write_text(block("own.toml").replace("n = 100", "n = 2"))
    study = hpcsim.Study.load(folder / "own.toml")
    sweep(study, study.directory(folder / "run"), Target("inline"))
    with hpcsim.open(folder / "run") as results:
        found = results.features()
        assert results.counts["ok"] == 2
        for feature, mean, sd in (("Spikecount", 10, 2), ("AP_width", 1.5, 0.5), ("voltage_base", -75, 3)):
            raw, deviation = (found[f"objective_{what}.step.soma.{feature}"] for what in ("raw", "sd"))
            np.testing.assert_allclose(deviation, np.abs(raw - mean) / sd)
        assert (found["objective_raw.step.soma.Spikecount"] >= 1).all()
        assert (
            (found["objective_raw.step.soma.voltage_base"] > -75) & (found["objective_raw.step.soma.voltage_base"] < -60)
        ).all()
        np.testing.assert_array_equal(found["objective_worst"], found["objective_max.step"])


def test_a_mechanism_that_is_not_there(folder: Path, neuron_cache: Path, monkeypatch: pytest.MonkeyPatch):
    """Is told with the nearest one that is."""
    monkeypatch.syspath_prepend(str(folder))
    text = block("own_cell.py").replace('"gbar_Ih"', '"gbar_Ihh"')
    (folder / "own_cell.py").write_text(text)
    import importlib

    module: Any = importlib.import_module("own_cell")
    with pytest.raises(
        SimulationError, match=r'apical membrane has "gbar_Ihh", and no mechanism "Ihh" is loaded; did you mean "Ih"'
    ):
        module.CELL.recordings(module.cell.defaults(), hpcsim.Context(cache=neuron_cache))
