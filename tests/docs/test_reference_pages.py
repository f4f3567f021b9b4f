"""The reference that is written from the code has all that the code declares."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

from reference_pages import PAGES, commands, files, python  # noqa: E402
from reference_pages.blocks import program, studies  # noqa: E402
from reference_pages.llms import heading, llms  # noqa: E402
from reference_pages.markdown import cell, prose, table  # noqa: E402

from hpcsim import errors  # noqa: E402
from hpcsim.inference.method import get_method, method_names  # noqa: E402
from hpcsim.models.registry import MODELS  # noqa: E402
from hpcsim.samplers import get_sampler, sampler_names  # noqa: E402
from hpcsim.scheduler.executors import EXECUTORS  # noqa: E402
from hpcsim.scheduler.site.site import Site  # noqa: E402
from hpcsim.stages.registry import STAGES  # noqa: E402
from hpcsim.study.file import Section, StudyFile  # noqa: E402

pytestmark = pytest.mark.docs


def section(text: str, name: str) -> str:
    """The part of a page about one thing."""
    assert f"\n## `{name}`\n" in text, f"nothing about {name}"
    return text.split(f"\n## `{name}`\n")[1].split("\n## ")[0]


def test_models_have_all_parameters_and_outputs():
    text = PAGES["models"]()
    for name in MODELS.names():
        part, model = section(text, name), MODELS.get(name)
        assert all(f"| `{one.name}` |" in part for one in (*model.parameters, *model.outputs)), name
        assert all(f"`{preset}`" in part for preset in model.presets)


def test_stages_methods_and_samplers_have_all_options():
    for page, found in (
        ("stages", [STAGES.get(name) for name in STAGES.names()]),
        ("methods", [get_method(name) for name in method_names()]),
        ("samplers", [get_sampler(name) for name in sampler_names()]),
    ):
        text = PAGES[page]()
        for one in found:
            part = section(text, one.name)
            assert all(f"| `{option.name}` |" in part for option in one.options), one.name
            assert all(f"`{name}`" in part for name in getattr(one, "tables", ()))


def test_executors_are_there():
    text = PAGES["executors"]()
    assert all(f"| `{name}` |" in text for name in EXECUTORS)


@pytest.mark.parametrize(("page", "root"), [("study_file", StudyFile), ("site_file", Site)])
def test_each_key_of_a_file_has_a_meaning(page: str, root: type[Section]):
    text = PAGES[page]()
    for name, field in root.model_fields.items():
        kind = field.annotation
        if not (isinstance(kind, type) and issubclass(kind, Section)):
            continue
        part, said = section(text, f"[{name}]"), files.described(kind)
        for key, of in kind.model_fields.items():
            if not files.hidden(of, key):
                assert f"| `{key}` |" in part, f"[{name}] {key}"
                assert said.get(key), f"the docstring of {kind.__name__} says nothing about {key}"


def test_commands_have_all_options():
    text = PAGES["commands"]()
    for name, command in commands.all_commands().items():
        part = section(text, f"hpcsim {name}")
        for one in command.params:
            if one.param_type_name == "option" and not one.hidden:
                assert one.opts[0] in part, f"hpcsim {name} {one.opts[0]}"
    assert "| 75 | `BusyError` |" in text


def test_all_errors_are_there():
    text = PAGES["errors"]()
    kinds = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.HpcsimError)]
    assert len(kinds) > 15
    assert all(f"`{kind.__name__}` |" in text for kind in kinds)


def test_results_are_described_from_a_file():
    text = PAGES["results"]()
    for name in ("id", "seed", "status", "cpu_time", "x", "spike_count", "noise", "time"):
        assert f"| `{name}` |" in text, name


def test_the_public_names_are_on_the_page_of_python():
    import hpcsim
    from hpcsim import plot

    text = PAGES["python"]()
    for name in (*(f"hpcsim.{name}" for name in hpcsim.__all__), *(f"hpcsim.plot.{name}" for name in plot.__all__)):
        assert f":: {name}\n" in text, name
    assert all(python.found(name).__doc__ for group in python.groups() for name in group.names)


def test_words_of_markdown():
    assert cell("a|b *c* <d>") == r"a\|b \*c\* \<d\>"
    assert prose("a :class:`~hpcsim.space.Design` of ``n``\n points") == "a `Design` of `n` points"
    assert table(("a", "b", "c"), [("1", "", "3")]) == "| a | c |\n| --- | --- |\n| 1 | 3 |\n"
    assert table(("a",), []) == ""


def test_the_list_for_programs_has_titles_and_first_sentences():
    page = "# A page\n\n```sh\nhpcsim run x\n```\n\n| a |\n| - |\n\nWhat Hagen et al. [did](x.md) here.\nAnd more: this.\n"
    assert heading(page) == ("A page", "What Hagen et al. did here.")
    assert heading("# Bare\n\n## Part\nAs `x` says:\n\n- a\n") == ("Bare", "As `x` says")
    assert heading("# Nothing\n") == ("Nothing", "")
    text = llms({"index": "# Top\n\nAll.\n", "how-to/a": page, "how-to/b": "# B\n"}, "About.")
    assert text.split("\n\n")[2:] == [
        "## How to",
        "- [A page](how-to/a.html): What Hagen et al. did here.\n- [B](how-to/b.html)\n",
    ]


def test_a_page_as_a_program():
    """Its Python without its files, its runs, and a picture where one is shown."""
    text = (
        "`own.py`:\n\n```python\nx = 1\n```\n\n```toml\n[study]\nname = 'a'\n```\n\n```toml\n[design]\nn = 3\n```\n\n"
        "```sh\nhpcsim plan a.toml\nhpcsim run a.toml  # all\n```\n\n```python\ny = 2\n```\n\n![why](../images/y.png)\n"
    )
    assert program(text).split("\n") == ["command(['run', 'a.toml'])", "y = 2", "", "picture('y.png')"]
    assert list(studies(text)) == ["a.toml"]
