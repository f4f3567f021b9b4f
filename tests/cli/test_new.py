"""`hpcsim new`: what it writes runs as it is, and nothing is overwritten."""

from __future__ import annotations

import ast
import runpy
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import hpcsim
from hpcsim.cli.new import KINDS, new_model, new_study, study_text
from hpcsim.errors import HpcsimError, PluginError
from hpcsim.models.registry import MODELS, get_model

#: Parameters that make a point short.
TINY = {"tstop": 20.0}


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind == "brian2")) for kind in KINDS])
def test_a_new_model_keeps_the_contract_and_runs(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = f"own_{kind}"
    files = new_model(kind, name, tmp_path)
    assert {f"{name}.py", f"test_{name}.py", f"{name}.toml"} <= {path.name for path in files}
    for path in files:
        if path.suffix == ".py":
            assert ast.get_docstring(ast.parse(path.read_text())) and "@" + "NAME" not in path.read_text()
            assert len(path.read_text().splitlines()) < 80
    # the study as it was written, but for the length of a simulation
    study = tmp_path / f"{name}.toml"
    study.write_text(study.read_text().replace("[fixed]", "[fixed]\ntstop = 20.0"))
    with hpcsim.Study.load(study).run(on="inline") as results:
        assert results.counts["ok"] == len(results) == 3
        traces = results.outputs[next(iter({"v", "V_m"} & {*results.outputs}))].values
        assert np.isfinite(traces).all() and not np.array_equal(traces[0], traces[2])
        assert results.study["study"]["model"] == f"{name}:{name}"
    monkeypatch.syspath_prepend(tmp_path)
    checks = runpy.run_path(str(tmp_path / f"test_{name}.py"))
    checks["test_it_keeps_the_contract_of_models"]()
    if kind == "neuron":
        # a point without spikes is a point
        silent = hpcsim.Study("silent", sys.modules[name].own_neuron, fixed={**TINY, "amplitude": 0.0}).run(on="inline")
        assert silent.counts["ok"] == 1 and len(silent.ragged("spike_times")[0]) == 0
    for module in (name, f"test_{name}"):
        sys.modules.pop(module, None)


def test_no_file_is_overwritten(tmp_path, typed, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("test_mine.py").write_text("precious")
    with pytest.raises(HpcsimError, match=r"test_mine.py: there already, and never overwritten"):
        typed("new", "model", "numpy", "mine")
    assert {path.name for path in tmp_path.iterdir()} == {"test_mine.py"}
    Path("hagen_lif.toml").symlink_to(tmp_path / "nowhere")
    with pytest.raises(HpcsimError, match=r"hagen_lif.toml: there already"):
        new_study("nest.hagen_lif", None)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("nets", "mine", 'did you mean "nest"'),
        ("nest", "my-model", 'found the name "my-model"; expected that of a Python module'),
        ("nest", "class", 'found the name "class"'),
        ("nest", "numpy", '"numpy" is the name of an installed package'),
        ("numpy", "times", 'the skeleton has something else that is called "times"'),
        ("numpy", "tauµ", 'found the name "tauµ"; expected plain letters'),
    ],
)
def test_names_that_cannot_be(kind, name, words, tmp_path):
    with pytest.raises(HpcsimError, match=words):
        new_model(kind, name, tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_study_of_a_model_that_is_not_there(tmp_path):
    with pytest.raises(PluginError, match="did you mean"):
        new_study("nest.hagen_lf", tmp_path / "a.toml")


def test_a_new_study_names_every_parameter_and_output_of_its_model(tmp_path):
    for reference in MODELS.names():
        model = get_model(reference, installed=False)
        text = study_text(model, reference, tmp_path)
        (tmp_path / f"{reference}.toml").write_text(text)
        # without the sharp, each line is one that a study takes
        lines = text.partition("[fixed]")[2].partition("[outputs]")[0].splitlines()
        shown = tomllib.loads("\n".join(line[2:] for line in lines if " = " in line and line.startswith("# ")))
        varied = tomllib.loads(text)["space"]
        assert {*shown, *varied} == {parameter.name for parameter in model.parameters}, reference
        for parameter in model.parameters:
            if parameter.name in shown:
                assert parameter.resolve(shown[parameter.name]) == parameter.resolve(parameter.default)
            assert parameter.name in varied or f"# {parameter.name}" in text
        assert all(f"# {output.name}: " in text for output in model.outputs)
        assert max(map(len, text.splitlines())) < 500
    study = hpcsim.Study.load(tmp_path / "nest.hagen_lif.toml")
    assert len(study.design) == 3 and study.name == "hagen_lif"
