"""Homes and caches whose paths have spaces, quotes and letters beyond ASCII."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hpcsim.errors import SimulationError
from hpcsim.models import plain_path
from hpcsim.models.plain_path import is_plain, plain, plain_folder

ODD = 'Zürich labör\'s "π"'
MOD = """
NEURON { SUFFIX leaky NONSPECIFIC_CURRENT i RANGE g, e }
PARAMETER { g = 1e-4 (S/cm2)  e = -65 (mV) }
ASSIGNED { v (mV)  i (mA/cm2) }
BREAKPOINT { i = g * (v - e) }
"""
LEAKY = """
import sys
from pathlib import Path
from hpcsim.models.neuron.nmodl import mechanisms
folder = Path(sys.argv[1])
mechanisms.load([folder / "leaky.mod"], folder / "cache")
with mechanisms.empty_session() as h:
    section = h.Section(name="soma")
    section.insert("leaky")
    print(section(0.5).leaky.e)
"""


def test_a_plain_path_stays():
    assert plain(Path("/opt/cells/cell-1_a.b+c.asc")) == Path("/opt/cells/cell-1_a.b+c.asc")


@pytest.mark.parametrize("name", ["cell1.asc", "Zelle ü.asc"])
@pytest.mark.parametrize("folder", [ODD, "plain"])
def test_a_file_is_reached_by_a_plain_path(tmp_path, folder, name):
    path = tmp_path / folder / name
    path.parent.mkdir()
    path.write_text("here")
    found = plain(path)
    assert is_plain(found) and found.read_text() == "here" and found.suffix == ".asc"
    assert plain(path) == found
    # a simulator may want the file's own name
    assert found.name == name or not is_plain(Path("/", name))


def test_a_folder_for_compilers_is_plain(tmp_path):
    (tmp_path / ODD).mkdir()
    for beside in (tmp_path, tmp_path / ODD):
        with plain_folder(beside) as folder:
            assert is_plain(folder) and folder.is_dir() and (folder.parent == tmp_path) == (beside == tmp_path)
        assert not folder.exists()


def test_links_of_somebody_else_are_not_followed(tmp_path, monkeypatch):
    monkeypatch.setattr(plain_path, "_root", lambda: tmp_path)
    (tmp_path / "others").mkdir()
    (tmp_path / f"hpcsim-links-{os.getuid()}").symlink_to(tmp_path / "others")
    with pytest.raises(SimulationError, match="is not a folder of this user's alone"):
        plain(tmp_path / ODD / "x")


def test_neuron_runs_in_a_home_with_an_odd_name(tmp_path):
    home = tmp_path / ODD
    home.mkdir()
    (home / "leaky.mod").write_text(MOD)
    environment = {**os.environ, "HPCSIM_CACHE": str(home / "cache"), "HOME": str(home)}
    done = subprocess.run([sys.executable, "-c", LEAKY, home], cwd=home, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "-65.0"), done.stdout + done.stderr
