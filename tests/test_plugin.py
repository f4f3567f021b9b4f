"""Models, stages, inference methods and executors share one base, one way to be found, and their messages."""

from __future__ import annotations

import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import toy_executors
import toys
from packaging.requirements import Requirement

import hpcsim
from hpcsim.errors import HpcsimError, PluginError
from hpcsim.inference.method import Method, get_method
from hpcsim.models.model import Model
from hpcsim.models.registry import MODELS, get_model
from hpcsim.plugin import LAST_NEST_WHEEL, Plugin, install_command
from hpcsim.registry import Registry
from hpcsim.samplers.plugin import SamplerPlugin, get_sampler, sampler_names
from hpcsim.scheduler.executor import Executor
from hpcsim.scheduler.executors import EXECUTORS, get_executor
from hpcsim.stages.registry import STAGES, get_stage
from hpcsim.stages.stage import Stage

KINDS = [Model, Stage, Method, SamplerPlugin, Executor]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of someone else's, with an entry point in each group."""
    folder = tmp_path / "packages" / "theirs-1.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Name: theirs\nVersion: 1\n")
    (folder / "entry_points.txt").write_text(
        "[hpcsim.models]\ntheirs.single = toys:single\ntheirs:2 = toys:single\ntoys:gone = toys:single\n"
        "theirs.torn = torn:model\ntheirs.gone = toys:gone\n"
        "[hpcsim.stages]\ntheirs.total = toys:total\n"
        "[hpcsim.executors]\nbackwards = toy_executors:backwards\nmodel = toys:single\n"
    )
    (tmp_path / "packages" / "torn.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_is_a_plugin_with_a_word_and_a_group(kind):
    assert issubclass(kind, Plugin)
    assert kind.group.startswith("hpcsim.") and kind.word
    assert len({other.group for other in KINDS}) == len({other.word for other in KINDS}) == len(KINDS)


def test_everything_built_in_can_be_loaded_and_says_what_it_is():
    found = [get_model(name, installed=False) for name in MODELS.names()]
    found += [STAGES.get(name) for name in STAGES.names()] + [get_sampler(name) for name in sampler_names()]
    found += [get_executor(name) for name in EXECUTORS]
    for plugin in found:
        assert plugin.description, plugin.name
    assert [plugin.name for plugin in found[-4:]] == list(EXECUTORS)


@pytest.mark.usefixtures("installed")
def test_other_packages_add_theirs_by_entry_points():
    assert get_model("theirs.single") is toys.single
    # a colon in the name of an entry point does not make it a module of the user's own
    assert get_model("theirs:2") is get_model("toys:gone") is toys.single
    assert get_stage("theirs.total") is toys.total
    assert get_executor("backwards") is toy_executors.backwards
    assert {"theirs.single", "nest.hagen_lif"} <= set(MODELS.names())


def test_for_a_module_of_the_users_own_no_installed_package_is_looked_at(monkeypatch):
    # hundreds of files, in each task
    monkeypatch.setattr("hpcsim.registry.entry_points", lambda **group: pytest.fail("looked at"))
    assert get_model("toys:single").name == "toys.single"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("theirs.singel", 'there is no model "theirs.singel"; did you mean "theirs.single"'),
        ("theirs.torn", 'the model "theirs.torn" cannot be imported: ZeroDivisionError: division by zero'),
        ("theirs.gone", 'the module "toys" has no "gone", which the model "theirs.gone" names'),
        ("toys:total", '"toys:total" is a Stage, not a model'),
    ],
)
def test_what_a_name_does_not_lead_to_is_told(name, words):
    with pytest.raises(PluginError, match=words):
        get_model(name)


@pytest.mark.usefixtures("installed")
def test_an_unknown_executor_is_told_with_the_nearest(tmp_path):
    with pytest.raises(PluginError, match=r'there is no executor "slrum"; did you mean "slurm"\?') as caught:
        hpcsim.Study("s", "toys:noop", space={"a": [1.0]}).run(on="slrum", directory=tmp_path / "s")
    assert caught.value.exit_code == 2 and isinstance(caught.value, (HpcsimError, LookupError))
    assert not (tmp_path / "s").exists()
    with pytest.raises(PluginError, match='"model" is a Model, not an executor'):
        get_executor("model")
    with pytest.raises(PluginError, match='"toy_executors:Counting" is a type, not an executor'):
        get_executor("toy_executors:Counting")


@pytest.mark.parametrize("name", ["toy_executors:plain", "toy_executors:counting"])
def test_any_function_that_takes_a_job_is_an_executor(name, tmp_path):
    assert isinstance(get_executor(name), Executor) and get_executor(name).name == name
    study = hpcsim.Study("s", "toys:noop", space={"a": [1.0, 2.0]})
    with study.run(on=name, directory=tmp_path / "s") as results:
        assert results.counts["ok"] == 2


def test_an_executor_that_is_not_installed_names_its_extra(monkeypatch):
    monkeypatch.setattr(toy_executors, "backwards", replace(toy_executors.backwards, engine="no_such_engine", extra="slurm"))
    registry = Registry(Executor, {"backwards": "toy_executors:backwards"})
    assert not registry.get("backwards").installed
    with pytest.raises(
        PluginError, match=r"the executor \"backwards\" needs no_such_engine \(not installed\): pip install 'hpcsim\[slurm\]'"
    ):
        registry.get("backwards", installed=True)


@pytest.mark.parametrize(("kind", "thing"), [(Model, "single"), (Stage, "total")])
def test_what_is_not_installed_is_told_alike(kind, thing, monkeypatch):
    monkeypatch.setattr(toys, thing, replace(getattr(toys, thing), engine="no_such_engine"))
    with pytest.raises(PluginError, match=rf'the {kind.word} ".*" needs no_such_engine \(not installed\): pip install no_such'):
        Registry(kind, {"x": f"toys:{thing}"}).get("x", installed=True)


def test_methods_are_told_alike():
    with pytest.raises(PluginError, match=r'the inference method "inference.npe" needs nothing_like_it .*hpcsim\[sbi\]'):
        replace(get_method("inference.npe"), engine="nothing_like_it").check_installed()


def test_where_pypi_has_no_wheel_of_nest_the_message_says_what_to_do(monkeypatch):
    assert install_command("nest") == "pip install 'hpcsim[nest]'" or sys.version_info[:2] > LAST_NEST_WHEEL
    monkeypatch.setattr("hpcsim.plugin.LAST_NEST_WHEEL", (3, 10))
    assert "scripts/build-nest-mpi.sh --install" in install_command("nest") and "conda-forge" in install_command("nest")
    assert install_command("neuron") == "pip install 'hpcsim[neuron]'"


def test_the_extra_of_nest_ends_with_its_wheels():
    extras = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    [nest] = map(Requirement, extras["nest"])
    major, minor = LAST_NEST_WHEEL
    assert nest.marker.evaluate({"python_version": f"{major}.{minor}"})
    assert not nest.marker.evaluate({"python_version": f"{major}.{minor + 1}"})
