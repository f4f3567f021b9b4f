"""How studies, results, findings and posteriors show themselves, in a terminal and in a notebook."""

from __future__ import annotations

import os
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


@pytest.mark.slow
def test_in_a_real_kernel(study, tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([os.path.dirname(os.path.dirname(__file__)), os.environ.get("PYTHONPATH", "")])
    )
    cells = [
        'import hpcsim\nstudy = hpcsim.Study("toy", "toys:noop", space={"a": [1, 2, 3]})\nstudy',
        "results = study.run()\nresults",
        'results.features(["y"])',
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    shown = [next(one for one in cell.outputs if one.output_type == "execute_result").data for cell in notebook.cells]
    assert "Study toy: toys.noop 1, 3 points" in words(shown[0]["text/html"])
    assert "3 points, 3 ok" in words(shown[1]["text/html"]) and "<Results toy: 3 points" in shown[1]["text/plain"]
    assert "3 rows" in shown[2]["text/html"] or shown[2]["text/html"].count("<tr") == 5
