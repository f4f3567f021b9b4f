"""Neurons in NESTML of a user's own: compiled once, loaded, refused where two would be mixed up."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from absent import absent

import hpcsim
from hpcsim.errors import SimulationError
from hpcsim.models.nest import nestml

LEAKY = """
model own_leaky:
    state:
        V_m mV = 0 mV
    equations:
        V_m' = -V_m / tau + I_e / C
    parameters:
        tau ms = 10 ms
        C pF = 100 pF
        I_e pA = 100 pA
    output:
        spike
    update:
        integrate_odes()
        if V_m > 8 mV:
            V_m = 0 mV
            emit_spike()
"""
MODEL = '''"""A neuron of the user's own."""
from pathlib import Path

from hpcsim import Output, Parameter, model
from hpcsim.models.nest import nestml

NEURON = Path(__file__).with_name("leaky.nestml")


@model("own.leaky", parameters=[Parameter("I_e", 100.0, "pA")], outputs=[Output("spike_times", ("spike",), "ms", ragged=True)],
       engine="nest", extra="nestml", requires=("nest-simulator", "nestml"),
       prepare=lambda context: nestml.library(NEURON, context.cache))
def leaky(point, context):
    import nest
    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR
    nestml.load(NEURON, context.cache)
    neuron, recorder = nest.Create("own_leaky", params={"I_e": point["I_e"]}), nest.Create("spike_recorder")
    nest.Connect(neuron, recorder)
    nest.Simulate(100.0)
    return {"spike_times": recorder.events["times"]}
'''


@pytest.fixture(autouse=True)
def needed() -> None:
    """NESTML, which is an extra."""
    if find_spec("pynestml") is None:
        absent("NESTML: pip install 'hpcsim[nestml]'")


def compiled_at_once(calls: list[Path]) -> Any:
    def compile_fast(file: Path, command: list[str], headers: Path, target: Path) -> None:
        calls.append(target)
        target.write_text(file.read_text())

    return compile_fast


def test_it_is_compiled_once_and_again_for_another_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    calls: list[Path] = []
    monkeypatch.setattr(nestml, "_compile", compiled_at_once(calls))
    file = tmp_path / "leaky.nestml"
    file.write_text(LEAKY)
    first = nestml.library(file, tmp_path / "cache")
    assert nestml.library(file, tmp_path / "cache") == first and len(calls) == 1
    file.write_text(LEAKY.replace("10 ms", "20 ms"))
    assert nestml.library(file, tmp_path / "cache") != first and len(calls) == 2


def test_files_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Not there, a name that is none of a module, no NESTML."""
    (tmp_path / "leaky.nestml").write_text(LEAKY)
    (tmp_path / "my leaky.nestml").write_text(LEAKY)
    for name, words in [
        ("leeky.nestml", 'leeky.nestml is not there; did you mean "leaky.nestml"'),
        ("my leaky.nestml", 'found the NESTML file "my leaky.nestml"; expected letters'),
    ]:
        with pytest.raises(SimulationError, match=words):
            nestml.library(tmp_path / name, tmp_path / "cache")
    monkeypatch.setattr(nestml, "find_spec", lambda name: None)
    with pytest.raises(SimulationError, match=r"\(leaky.nestml\) needs NESTML .*pip install 'hpcsim\[nestml\]'"):
        nestml.library(tmp_path / "leaky.nestml", tmp_path / "cache")


def test_two_models_of_one_name_are_not_mixed_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import nest

    installed: list[str] = []
    monkeypatch.setattr(nestml, "_compile", compiled_at_once([]))
    monkeypatch.setattr(nestml, "_loaded", {})
    # nest refuses new attributes
    monkeypatch.setitem(vars(nest), "Install", installed.append)
    file = tmp_path / "leaky.nestml"
    file.write_text(LEAKY)
    nestml.load(file, tmp_path / "cache")
    nestml.load(file, tmp_path / "cache")
    file.write_text(LEAKY.replace("10 ms", "20 ms"))
    with pytest.raises(SimulationError, match=r'another model "own_leaky", or an earlier version.*on="local"'):
        nestml.load(file, tmp_path / "cache")
    assert len(installed) == 2


@pytest.mark.slow
def test_a_neuron_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Its first spike as the membrane equation has it; a file with an error ends the sweep before the first point."""
    monkeypatch.setenv("HPCSIM_CACHE", str(tmp_path / "Zürich labör's cache"))
    (tmp_path / "own.py").write_text(MODEL)
    (tmp_path / "leaky.nestml").write_text(LEAKY)
    text = '[study]\nname = "own"\nmodel = "own:leaky"\n[space]\nI_e = [50.0, 100.0, 200.0]\n'
    (tmp_path / "own.toml").write_text(text)
    with hpcsim.Study.load(tmp_path / "own.toml").run("local", tmp_path / "run") as results:
        first = [list(results.ragged("spike_times")[row])[:1] for row in range(3)]
        assert first[0] == [] and first[1][0] == pytest.approx(16.1, abs=0.2) and first[2][0] == pytest.approx(5.1, abs=0.2)
    assert len(list((tmp_path / "Zürich labör's cache").rglob("hpcsim_leaky_module.so"))) == 1
    (tmp_path / "leaky.nestml").write_text(LEAKY.replace("/ tau", "/ tow"))
    with pytest.raises(SimulationError, match=r"(?s)NESTML could not translate .*leaky.nestml \(exit code 1\).*tow"):
        hpcsim.Study.load(tmp_path / "own.toml").run("local", tmp_path / "run2")


def test_nest_says_nothing_when_it_is_looked_at():
    """Its banner stood above the message about a NESTML file that cannot be translated."""
    code = "from hpcsim.models.nest import extension; extension.headers()"
    settings = {name: value for name, value in os.environ.items() if name != "PYNEST_QUIET"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=settings, check=True, timeout=300)
    assert (done.stdout, done.stderr) == ("", "")
