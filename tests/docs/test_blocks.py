"""Every code block of README and docs is run, parsed or read, or says on its page why not."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

import matplotlib as mpl
import pytest
from block_count import COUNT, Count
from page_blocks import ROOT, Page, commands
from reconstruction import ASC

import hpcsim

pytestmark = [pytest.mark.docs, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
HERE = Path(__file__).parent
LEAK = """NEURON { SUFFIX own_leak NONSPECIFIC_CURRENT i RANGE g, e }
UNITS { (mV) = (millivolt) (mA) = (milliamp) (S) = (siemens) }
PARAMETER { g = 1e-4 (S/cm2) e = -75 (mV) }
ASSIGNED { v (mV) i (mA/cm2) }
BREAKPOINT { i = g * (v - e) }
"""


def results_of_a_grid() -> None:
    """What the page on results reads."""
    grid = {"J_ext": {"linspace": [26, 32, 3], "unit": "pA"}, "g": [4.0, 5.0]}
    stages = [{"use": "features.catch22", "of": "v"}]
    hpcsim.Study("drive", "doc_toys:drive", space=grid, stages=stages).run("inline").close()


def a_posterior() -> None:
    """What the page on inference loads."""
    inference = [{"use": "inference.npe", "of": ["rate"], "epochs": 2, "transforms": 2, "hidden": 4, "samples": 20}]
    prior = {"J_ext": {"uniform": [26, 32], "unit": "pA"}}
    design = {"method": "random", "n": 60}
    study = hpcsim.Study("bernaerts_m1", "doc_toys:drive", space=prior, design=design, inference=inference)
    study.run("inline").close()


def results_of_a_search() -> None:
    """What the page on searches draws, of its own first example."""
    text = (ROOT / "docs/how-to/search.md").read_text()
    Path("hh_fit.toml").write_text(text.split("```toml\n")[1].split("```")[0].replace('"bowl"', '"hh_fit"', 1))
    hpcsim.Study.load("hh_fit.toml").run("inline").close()


def files_of_a_cell() -> None:
    """What the page on fitting says that the user has."""
    Path("own.asc").write_text(ASC)
    Path("own_leak.mod").write_text(LEAK)


def an_environment() -> None:
    """What the page on clusters packs."""
    Path("venv/bin").mkdir(parents=True)
    Path("venv/bin/python").write_text("the reader's own")


def an_own_study() -> None:
    """The model, the study and the results of the page before."""
    text = (ROOT / "docs/start/own_study.md").read_text()
    Page("docs/start/own_study.md").write_files(text)
    Path("decay.toml").write_text(text.split("```toml\n")[1].split("```")[0])
    hpcsim.Study.load("decay.toml").run("inline").close()


PAGES = {
    "README.md": Page(
        "README.md",
        {
            '"linspace": [26, 32, 50]': '"linspace": [26, 32, 2]',
            '"tstop": "3 s"': '"tstop": "50 ms", "transient": "10 ms"',
            "study.run()": 'study.run("inline")',
        },
    ),
    "docs/start/read_results.md": Page("docs/start/read_results.md", before=an_own_study),
    "docs/how-to/results.md": Page("docs/how-to/results.md", {'point("8bd4e4")': "point(0)"}, results_of_a_grid),
    "docs/how-to/inference.md": Page(
        "docs/how-to/inference.md",
        {"cells, 1000": '__import__("hpcsim").open("runs/bernaerts_m1").features(["rate"])[:2], 3'},
        a_posterior,
    ),
    "docs/how-to/clusters.md": Page("docs/how-to/clusters.md", before=an_environment),
    # compiling its code would take longer than the rest of the page
    "docs/coming-from/brian2.md": Page(
        "docs/coming-from/brian2.md",
        {"run(500 * ms)": "import brian2\nbrian2.prefs.codegen.target = 'numpy'\nrun(500 * ms)"},
    ),
    "docs/how-to/notebook.md": Page("docs/how-to/notebook.md", before=an_own_study),
    "docs/how-to/search.md": Page("docs/how-to/search.md", before=results_of_a_search),
    "docs/tutorials/fitting.md": Page(
        "docs/tutorials/fitting.md",
        {"study.run()": 'study.run("inline")', '"bac.html")': '"bac.html", start=310, stop=320, every=8, workers=1)'},
        files_of_a_cell,
    ),
}


def pages() -> list[str]:
    """README and all pages of the site that somebody wrote."""
    found = [path for path in (ROOT / "docs").rglob("*.md") if not {"_build", "generated"} & set(path.parts)]
    return ["README.md", "CONTRIBUTING.md", *sorted(str(path.relative_to(ROOT)) for path in found)]


@pytest.mark.parametrize("name", pages())
def test_the_blocks_of(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest):
    for folder in (HERE, tmp_path):
        monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    mpl.use("Agg")
    before = set(sys.modules)
    try:
        count = PAGES.get(name, Page(name)).evaluate()
    finally:
        # another page may have a module of the same name
        for module in set(sys.modules) - before:
            if str(getattr(sys.modules[module], "__file__", "") or "").startswith(str(tmp_path)):
                del sys.modules[module]
    request.config.stash[COUNT] = request.config.stash.get(COUNT, Count()) + count


def test_commands_of_a_block():
    block = "hpcsim plan a.toml   # what would run\n# nothing\npip install x && hpcsim run 'a b' \\\n  --on local\n"
    assert list(commands(block)) == [
        ["hpcsim", "plan", "a.toml"],
        ["pip", "install", "x"],
        ["hpcsim", "run", "a b", "--on", "local"],
    ]


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        ("```python\n1 / 0\n```", "line 1: ZeroDivisionError"),
        ("```sh\nhpcsim plan x --no-such-option\n```", "no-such-option"),
        ("```sh\nhpcsim fly\n```", "fly"),
        ("```sh\nrm -r x\n```", '"rm" cannot be checked'),
        ("```sh\nscripts/none.sh\n```", "there is no scripts/none.sh"),
        ("```sh\npip install 'hpcsim[none]'\n```", "there is no extra"),
        ('```toml\n[study]\nname = "a"\nmodel = "testing.none"\n```', "testing.none"),
        ("```toml\n[design]\nhow = 1\n```", "how"),
        ('```toml\n[[stages]]\nuse = "features.catch22"\noff = "v"\n```', "off"),
        ('```toml\npartition = "a b"\n```', "partition"),
        ("```fortran\nend\n```", "fortran"),
        ('<!-- skip: next "run by tests/none.py" -->\n```sh\nrm x\n```', "tests/none.py"),
    ],
)
def test_a_wrong_block_is_found(block: str, complaint: str, tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(f"{block}\n")
    with pytest.raises(AssertionError) as caught:
        Page(str(page)).evaluate()
    assert complaint in str(caught.value)


def test_a_block_that_is_not_run_is_counted_with_its_reason(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(
        '<!-- skip: next "nobody has this machine" -->\n```sh\nrm x\n```\n\n```python\na = 1\n```\n\n```python\nassert a\n```\n'
    )
    count = Page(str(page)).evaluate()
    assert (count.run, count.checked, len(count.skipped)) == (2, 0, 1)
    assert "nobody has this machine" in count.skipped[0]
    assert str(count).startswith("3 code blocks") and str(count + count).startswith("6 code blocks")


def test_a_script_of_neuron_needs_few_more_lines():
    """As many as the page says, and no line of the script goes."""
    text = (ROOT / "docs/how-to/neuron_script.md").read_text()
    script, model = (block.split("```")[0].splitlines() for block in text.split("```python\n")[1:3])
    before, after = (
        [line for line in lines if line.strip() and not line.startswith("# adapting.py")] for lines in (script, model)
    )
    changes = [line[0] for line in difflib.ndiff(before, after) if line[0] in "+-"]
    assert len(script) <= 40
    assert changes == ["+"] * 15 and "With 15 more lines" in text


def test_the_command_of_the_page_on_installing_is_the_beginning_of_the_readme():
    """Which CI runs to the letter."""
    own, readme = (
        (ROOT / name).read_text().split("```sh\n")[1].split("```")[0] for name in ("docs/start/install.md", "README.md")
    )
    assert readme.startswith(f"{own.rstrip()} && ")
