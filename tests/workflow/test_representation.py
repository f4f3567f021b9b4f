"""How studies, results, findings and posteriors show themselves, in a terminal and in a notebook."""

from __future__ import annotations

import os
import signal
from time import sleep
from xml.etree import ElementTree

import pandas
import pytest

import hpcsim
from hpcsim.inference.finding import Finding
from hpcsim.inference.note import Note
from hpcsim.inference.npe.density import Architecture
from hpcsim.inference.npe.posterior import Posterior
from hpcsim.inference.prior import Prior
from hpcsim.representation import table
from hpcsim.space.distribution import Uniform


def words(html):
    """All text of a page, which must be well-formed."""
    return " ".join(ElementTree.fromstring(html).itertext())


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    more = {"fixed": {"guilty": 2}, "outputs": {"keep": ["square", "noise", "spikes"]}, "stages": [{"use": "toys:total"}]}
    return hpcsim.Study("toy", "toys:single", space={"x": [1, 2, 3, 4, 5]}, **more)


def test_study_and_results(study):
    text = words(study._repr_html_())
    assert (
        "Study toy: toys.single 1, 5 points" in text
        and "x mV" in text
        and "then toys:total" in text
        and "spikes spike ms" in text
    )
    with study.run(on="inline", infer=False) as results:
        text = words(results._repr_html_())
        assert "Results toy (toys.single): 5 points, 4 ok, 1 failed" in text and "results.failures says why 1 failed" in text
        assert "1, 2, ... 5 (5 values)" in text and "noise 5 time mV" in text and "ragged spike" in text
    assert "closed" in words(results._repr_html_())


def test_finding():
    tables = {"scores": pandas.DataFrame({"a": [1, 2]})}
    notes = [Note("60 % leaks.", "leakage", "warning", 60.0), "fine"]
    finding = Finding(
        "inference.npe", "MAF of <x>", {"points": 5, "R2": dict.fromkeys(map(str, range(50)), 0.5)}, tables, notes=notes
    )
    assert repr(finding) == "<Finding MAF of <x>: 2 metrics; tables scores; 1 warnings>"
    text = words(finding._repr_html_())
    assert "MAF of <x>" in text and "scores (2 x 1)" in text and "warning: 60 % leaks." in text and "half of 50 up to 0.5" in text


def test_a_posterior_is_no_list_of_layers():
    features = tuple(f"f{i}" for i in range(20))
    posterior = Posterior(None, Prior({"g": Uniform(0, 1)}), features, Architecture(), units={"g": "nS", "f0": "Hz"}, versions={})
    assert repr(posterior) == "<Posterior of g given 20 features: MAF of 5 transforms with 50 units>"
    text = words(posterior._repr_html_())
    assert "g nS Uniform" in text and "given f0 Hz, f1" in text and "and 8 more" in text


def test_long_tables_are_cut_and_signs_are_not_markup():
    text = words(table(["<n>"], [[f"<{i}>"] for i in range(100)]))
    assert "<n> <0>" in text and "<11>" in text and "<12>" not in text and "and 88 more" in text


OWN = '''"""A model that leaves a file a simulation."""
from pathlib import Path
from time import sleep

from hpcsim import Output, Parameter, model


@model("own.slow", parameters=[Parameter("a", 0.0)], outputs=[Output("y")])
def slow(point, context):
    Path(__file__).with_name(f"made_{point['a']:g}").touch()
    sleep(0.1)
    if point["a"] == 3:
        raise ValueError("three is no good")
    return {"y": 2 * point["a"]}
'''
CELL = 'import hpcsim\nstudy = hpcsim.Study("own", "own:slow", space={{"a": {{"linspace": [1, {n}, {n}]}}}})\nstudy'


@pytest.fixture
def kernel_environment(tmp_path, monkeypatch):
    """What a kernel in an empty folder needs."""
    tests = os.path.dirname(os.path.dirname(__file__))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")]))
    (tmp_path / "own.py").write_text(OWN)


@pytest.mark.slow
def test_in_a_real_kernel(kernel_environment, tmp_path):
    import nbformat
    from nbclient import NotebookClient

    cells = [CELL.format(n=5), "results = study.run()\nresults", 'results.features(["y"])', "study.run().counts"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    shown = [next(one for one in cell.outputs if one.output_type == "execute_result").data for cell in notebook.cells]
    assert "Study own: own.slow 1, 5 points" in words(shown[0]["text/html"])
    assert "5 points, 4 ok" in words(shown[1]["text/html"]) and "<Results own: 5 points" in shown[1]["text/plain"]
    assert "4 rows" in shown[2]["text/html"] or shown[2]["text/html"].count("<tr") == 6
    bar, failures = (one.data for one in notebook.cells[1].outputs if one.output_type == "display_data")
    assert '<progress value="5" max="5">' in bar["text/html"] and "own: 5 of 5 points, 1 failed" in words(bar["text/html"])
    assert "no report of a sweep this short" in bar["text/plain"]
    assert "1 failed ValueError: three is no good" in words(failures["text/html"]) and "a = 3" in failures["text/plain"]
    # nothing left to do: no bar
    assert [one.output_type for one in notebook.cells[3].outputs] == ["display_data", "execute_result"]
    streams = [one for cell in notebook.cells for one in cell.outputs if one.output_type == "stream"]
    assert not streams, streams


@pytest.mark.slow
def test_a_kernel_that_dies_and_one_that_is_interrupted(kernel_environment, tmp_path, monkeypatch):
    """What was finished stays, and the study goes on: each point once."""
    from jupyter_client.manager import start_new_kernel

    monkeypatch.chdir(tmp_path)
    n = 60

    def made():
        return len(list(tmp_path.glob("made_*")))

    def begin(at_least):
        manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
        asked = client.execute(CELL.format(n=n) + ".run(workers=1)")
        while made() < at_least:
            sleep(0.05)
        return manager, client, asked

    manager, client, asked = begin(5)
    manager.interrupt_kernel()
    replies = iter(lambda: client.get_shell_msg(timeout=60), None)
    reply = next(one["content"] for one in replies if one["parent_header"]["msg_id"] == asked)
    assert reply["status"] == "error" and reply["ename"] == "Interrupted", reply
    with hpcsim.open("runs/own") as results:
        held = len(results)
        assert 4 <= held < n and held >= made() - 1
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    manager, client, _ = begin(made() + 5)
    os.kill(manager.provisioner.pid, signal.SIGKILL)
    client.stop_channels()
    manager.cleanup_resources()
    study = hpcsim.Study("own", "own:slow", space={"a": {"linspace": [1, n, n]}})
    with study.run(workers=1) as results:
        assert len(results) == n == len(set(results.outputs["id"].values.tolist())) and made() == n
        assert results.counts["ok"] == n - 1
    assert study.check().ok
