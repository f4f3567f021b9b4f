"""What has a name, what would run, and how far it is: for people at 80 columns, and for scripts."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import hpcsim
from hpcsim.cli.catalogue import entries, find_entries
from hpcsim.cli.planned import inference_words
from hpcsim.errors import PluginError


def narrow(*arguments, **more):
    line = [sys.executable, "-c", "import sys; sys.argv[0] = 'hpcsim'; from hpcsim.cli import main; main()", *arguments]
    return subprocess.run(line, capture_output=True, text=True, env={**os.environ, "COLUMNS": "80", **more}).stdout


def test_every_kind_is_listed_with_a_description():
    found = entries()
    assert {entry.kind for entry in found} == {"model", "stage", "method", "sampler", "executor", "site", "study"}
    assert all(entry.item is not None for entry in found)
    assert not [entry.name for entry in found if not entry.description]
    # an executor and a site
    assert [entry.kind for entry in find_entries("slurm")] == ["executor", "site"]
    assert [entry.to_dict()["options"][0]["name"] for entry in find_entries("inference.npe")] == ["of"]
    with pytest.raises(PluginError, match=r'did you mean "inference\.npe"'):
        find_entries("inference.np")


def test_show_is_readable_at_80_columns(typed):
    lines = typed("show", "nest.hagen_lif", width=80).splitlines()
    assert max(map(len, lines)) <= 80
    at = next(i for i, line in enumerate(lines) if line.strip() == "C_m_E = 289.1 pF  (>= 0.001)")
    assert lines[at + 1].strip() == "membrane capacitance of population E"
    [shown] = json.loads(typed("show", "nest.hagen_lif", "--json"))
    [parameter] = [one for one in shown["parameters"] if one["name"] == "C_m_E"]
    assert (parameter["default"], parameter["unit"], parameter["bounds"]) == (289.1, "pF", [0.001, None])


def test_version_and_completion():
    assert narrow("--version") == f"hpcsim {hpcsim.__version__}\n"
    completed = narrow(_HPCSIM_COMPLETE="complete_bash", COMP_WORDS="hpcsim run quick", COMP_CWORD="2")
    assert completed.split() == ["quickstart"]


def test_plan_and_status_for_scripts(tmp_path, typed, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = '[study]\nname = "toy"\nmodel = "toys:single"\n[space]\nx = { linspace = [1, 10, 10] }\n[fixed]\nguilty = 2\n'
    method = '[[inference]]\nuse = "inference.regression"\nof = ["square"]\nsplits = 3\n'
    (tmp_path / "toy.toml").write_text(f'{study}[outputs]\nkeep = ["square"]\n{method}')
    plan = json.loads(typed("plan", "toy.toml", "--json"))
    assert (
        plan["points"] == {"total": 10, "finished": 0, "left": 10} and plan["bytes"]["point"] == 8 and plan["bytes"]["free"] > 0
    )
    assert plan["inference"][0]["splits"] == 3
    words = " ".join(typed("plan", "toy.toml", width=80).split())
    assert "the disk has" in words and "infers inference.regression: of square, splits 3" in words
    quiet = typed("-q", "run", "toy.toml", "--on", "inline", "--no-infer")
    assert "%" not in quiet and "points" not in quiet
    status = json.loads(typed("status", "toy.toml", "--json"))
    assert status["points"]["finished"] == 10 and status["failed"] == 1
    assert status["failures"][0]["reason"] == "ValueError: this point cannot be simulated"


def test_inference_in_words():
    study = hpcsim.Study.load("bernaerts_m1")
    words = [inference_words(bound) for bound in study.methods]
    assert words[0].startswith("inference.npe: of ephys") and words[0].endswith("simulates more points")
