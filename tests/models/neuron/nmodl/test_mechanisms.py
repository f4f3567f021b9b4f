"""Mechanisms: compiled once, loaded once, and what they compute."""

from __future__ import annotations

import platform
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import numpy as np
import pytest

from hpcsim import paths as assets
from hpcsim.errors import SimulationError
from hpcsim.models.neuron.nmodl import mechanisms


@pytest.fixture
def own_mod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of mechanisms that a test may write."""
    folder = tmp_path / "mod"
    folder.mkdir()
    monkeypatch.setattr(assets, "folder", lambda name: folder)
    return folder


def test_identity_is_of_the_content(own_mod: Path):
    """Another file is another identity, and other files do not matter."""
    (own_mod / "a.mod").write_text("one")
    first = mechanisms.identity(["a"])
    (own_mod / "b.mod").write_text("other")
    assert mechanisms.identity(["a"]) == first
    (own_mod / "a.mod").write_text("two")
    assert mechanisms.identity(["a"])["a.mod"] != first["a.mod"]


def test_unknown_mechanism_names_the_nearest():
    """The message helps."""
    with pytest.raises(SimulationError, match=r'no mechanism "Exp2Syn".*did you mean "Exp2SynI"'):
        mechanisms.sources(["Exp2Syn"])


def test_compiler_words_reach_the_user(own_mod: Path, tmp_path: Path):
    """A mechanism that does not compile gives what the compiler said, and leaves no library."""
    (own_mod / "broken.mod").write_text("NEURON { SUFFIX broken RANGE } STATE {")
    with pytest.raises(SimulationError, match=r"could not compile broken.mod \(exit code \d+\):(.|\n)*rror") as caught:
        mechanisms.library(["broken"], tmp_path / "cache")
    assert "broken.mod" in str(caught.value).partition(":\n")[2] and "Traceback" not in str(caught.value)
    assert not list((tmp_path / "cache").rglob("libnrnmech*"))
    assert [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()] == ["lock"]


def test_many_at_once_compile_once(own_mod: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Tasks that start together wait for the first one and take its library."""
    (own_mod / "a.mod").write_text("one")
    calls: list[Path] = []

    def compile_slowly(files: list[Path], target: Path) -> None:
        calls.append(target)
        sleep(0.1)
        target.write_bytes(b"library")

    monkeypatch.setattr(mechanisms, "_compile", compile_slowly)
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: mechanisms.library(["a"], tmp_path), range(4)))
    assert len(calls) == 1
    assert found == {calls[0]}
    (own_mod / "a.mod").write_text("two")
    assert mechanisms.library(["a"], tmp_path) not in found


def test_mechanisms_of_somebody_else_are_refused(neuron_cache: Path, monkeypatch: pytest.MonkeyPatch):
    """A mechanism that NEURON has from elsewhere may be another one; loading it twice ends the process."""
    mechanisms.load(["Exp2SynI", "Ih"], neuron_cache)
    mechanisms.load(["Exp2SynI", "Ih"], neuron_cache)
    monkeypatch.setattr(mechanisms, "_loaded", {})
    with pytest.raises(SimulationError, match="already knows Exp2SynI, Ih from elsewhere"):
        mechanisms.load(["Exp2SynI", "Ih"], neuron_cache)


def test_living_sections_are_refused_and_own_ones_removed():
    """Sections of another model would change the result."""
    with mechanisms.empty_session() as h:
        celsius = h.celsius
        h.celsius = 34
        own = h.Section(name="own")
    assert not list(h.allsec())
    assert h.celsius == celsius
    stray = h.Section(name="stray")
    with pytest.raises(SimulationError, match=r"already holds 1 section.*stray"), mechanisms.empty_session():
        pass
    del own, stray
    assert not list(h.allsec())


def test_synapse_current(neuron_cache: Path):
    """A weight of 0.5 nA peaks at -0.5 nA, tau1 tau2 / (tau2 - tau1) log(tau2 / tau1) after the event."""
    mechanisms.load(["Exp2SynI", "Ih"], neuron_cache)
    with mechanisms.empty_session() as h:
        h.load_file("stdrun.hoc")
        section = h.Section(name="soma")
        synapse = h.Exp2SynI(section(0.5))
        synapse.tau1, synapse.tau2 = 0.5, 2.0
        event = h.NetStim()
        event.number, event.start = 1, 1.0
        connection = h.NetCon(event, synapse, 0, 0, 0.5)
        current, time = h.Vector().record(synapse._ref_i), h.Vector().record(h._ref_t)
        h.dt = 2.0**-8
        h.finitialize(-65)
        while h.t < 10:
            h.fadvance()
        i, t = current.as_numpy().copy(), time.as_numpy().copy()
        del connection, event, synapse, current, time, section
    t_peak = 0.5 * 2.0 / 1.5 * np.log(4)
    assert i.min() == pytest.approx(-0.5, rel=1e-4)
    assert t[i.argmin()] == pytest.approx(1 + t_peak, abs=2.0**-7)
    late = t > 8
    assert np.polyfit(t[late], np.log(-i[late]), 1)[0] == pytest.approx(-1 / 2.0, rel=1e-2)


KDR = """COMMENT
NEURON { SUFFIX wrong }
ENDCOMMENT
: POINT_PROCESS wrong
NEURON { SUFFIX own_kdr
    USEION k READ ek WRITE ik
    RANGE gbar }
PARAMETER { gbar = 0.01 (S/cm2) }
ASSIGNED { v (mV) ek (mV) ik (mA/cm2) }
BREAKPOINT { ik = gbar*(v-ek) }
"""


def test_files_of_a_user_are_loaded_once_and_never_mixed_up(tmp_path: Path):
    """By the name of the mechanism, not of the file; a file that was edited is not taken for the one that is loaded."""
    file = tmp_path / "potassium.mod"
    file.write_text(KDR)
    mechanisms.load([file], tmp_path / "cache")
    mechanisms.load([tmp_path], tmp_path / "cache")
    assert "own_kdr" in mechanisms.loaded()
    with mechanisms.empty_session() as h:
        section = h.Section(name="soma")
        section.insert("own_kdr")
        assert section(0.5).own_kdr.gbar == 0.01
        del section
    first = mechanisms.library([file], tmp_path / "cache")
    assert len(list((tmp_path / "cache").rglob("libnrnmech*"))) == 1
    file.write_text(KDR.replace("0.01", "0.02"))
    with pytest.raises(SimulationError, match=r'potassium.mod: this process has loaded another mechanism "own_kdr".*on="local"'):
        mechanisms.load([file], tmp_path / "cache")
    assert mechanisms.library([file], tmp_path / "cache") != first
    assert len(list((tmp_path / "cache").rglob("libnrnmech*"))) == 2


def test_files_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Not there, no mod file, an empty folder, a name as text, two files with one mechanism."""
    (tmp_path / "kdr.mod").write_text(KDR)
    (tmp_path / "other.mod").write_text(KDR)
    (tmp_path / "empty").mkdir()
    for given, words in [
        ([tmp_path / "kd.mod"], r'mod file .*/kd.mod is not there; did you mean "kdr.mod"'),
        ([tmp_path / "empty" / "kd.mod"], "the folder has no mod files"),
        ([tmp_path / "empty"], "empty has no mod files"),
        ([Path(__file__)], "is no mod file"),
        (["kdr.mod"], r"for a file of your own, give pathlib.Path\('kdr.mod'\)"),
        ([tmp_path], r'kdr.mod and .*other.mod both make a mechanism called "own_kdr"'),
    ]:
        with pytest.raises(SimulationError, match=words):
            mechanisms.library(given, tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    compiled = tmp_path / platform.machine()
    compiled.mkdir()
    (compiled / "kdr.o").write_text("")
    with pytest.raises(SimulationError, match=r"nrnivmodl has compiled kdr.mod there, and NEURON loads that folder by itself"):
        mechanisms.library([tmp_path / "kdr.mod"], tmp_path / "cache")
    assert mechanisms.library([], tmp_path / "cache") is None
    assert not (tmp_path / "cache").exists()


def test_included_files_are_part_of_a_mechanism(tmp_path: Path):
    """An edit of what a mod file includes is another mechanism."""
    file = tmp_path / "kdr.mod"
    file.write_text('INCLUDE "deep/units.inc"\nTITLE SUFFIX of it\nVERBATIM\n#include "fast.h"\nENDVERBATIM\n' + KDR)
    (tmp_path / "fast.h").write_text("static int fast = 1;")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "units.inc").write_text('INCLUDE "units.inc"')
    (tmp_path / "units.inc").write_text("UNITS { (mV) = (millivolt) }")
    assert mechanisms.mechanism_name(file) == "own_kdr"
    first = mechanisms.identity([file])
    target = mechanisms.library([file], tmp_path / "cache")
    assert target is not None and target.exists()
    (tmp_path / "units.inc").write_text("UNITS { (mV) = (millivolt) (S) = (siemens) }")
    assert mechanisms.identity([file]) != first
