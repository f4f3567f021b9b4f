"""Simulator files that code names, however it names them: an edit of any makes other numbers."""

from __future__ import annotations

import pytest

from hpcsim.source.files import collect
from hpcsim.source.simulator_files import included, named_files

MOD = "NEURON {{ SUFFIX {name} }}\n"


@pytest.fixture
def home(tmp_path):
    """A module's folder beside folders with mod files and a neuron."""
    folder = tmp_path / "project" / "code"
    for name in ("a/mod/km.mod", "project/mod/km.mod", "project/code/mech/channels/km.mod", "project/code/neurons/one.nestml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(MOD.format(name=path.stem))
    return folder


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ('MODS = [Path(__file__).parent / "mech" / "channels" / "km.mod"]', ["mech/channels/km.mod"]),
        ('MODS = [Path(__file__).parent / "mech" / "channels"]', ["mech/channels/km.mod"]),
        ('MODS = [Path(__file__).parent.parent / "mod" / "km.mod"]', ["../mod/km.mod"]),
        ('MODS = [Path(__file__).parents[1] / "mod"]', ["../mod/km.mod"]),
        ('HERE = Path(__file__).resolve().parent\nMODS = sorted((HERE / "mech").rglob("*.mod"))', ["mech/channels/km.mod"]),
        ('import os\nMOD = os.path.join(os.path.dirname(__file__), "mech", "channels", "km.mod")', ["mech/channels/km.mod"]),
        ('def neuron(name):\n    return Path(__file__).with_name("neurons") / f"{name}.nestml"', ["neurons/one.nestml"]),
        ('def neuron():\n    return load("neurons/one.nestml")', ["neurons/one.nestml"]),
        ('MODS = [Path("mech/channels")]', ["mech/channels/km.mod"]),
        ('A = B\nB = A\nC = A / "mod"\nD = 1 / 2 + len("x" * 3)', []),
        ("A = max(" + ", ".join("A" * 12) + ")\nB = A / A", []),
        ("x = " + " + ".join(["1"] * 3000), []),
    ],
)
def test_it_is_found(home, code, names):
    (home / "adapting.py").write_text(f"from pathlib import Path\n{code}\n")
    assert sorted({*collect(home, "adapting").files} - {"adapting.py"}) == names


def test_an_absolute_path_is_found(home, tmp_path):
    (home / "adapting.py").write_text(f"from pathlib import Path\nMODS = [Path({str(tmp_path / 'a' / 'mod')!r})]\n")
    assert len(collect(home, "adapting").files) == 2
    # as the text of a notebook's constant has it
    assert named_files(f"MODS = [{(tmp_path / 'a' / 'mod')!r}]".encode(), home) == [tmp_path / "a" / "mod" / "km.mod"]


def test_what_a_mod_file_includes_belongs_to_it_whatever_it_is_called(home):
    mod = home / "km.mod"
    mod.write_text('INCLUDE "common.h"\nVERBATIM\n#include "fast.c"\nENDVERBATIM\n' + MOD.format(name="km"))
    (home / "common.h").write_text('INCLUDE "deep/rates.inc"\n')
    (home / "deep").mkdir()
    (home / "deep" / "rates.inc").write_text('INCLUDE "common.h"\nINCLUDE "nowhere.inc"\n')
    (home / "fast.c").write_text("")
    assert included(mod) == [home / "common.h", home / "fast.c", home / "deep" / "rates.inc"]
    (home / "adapting.py").write_text("from neuron import h\n")
    assert {"km.mod", "common.h", "fast.c", "deep/rates.inc"} < {*collect(home, "adapting").files}
