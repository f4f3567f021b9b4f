"""Mechanisms: compiled once, loaded once, and what they compute."""

from __future__ import annotations

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
    with pytest.raises(SimulationError, match=r"could not compile broken.mod \(exit code \d+\):(.|\n)*rror"):
        mechanisms.library(["broken"], tmp_path / "cache")
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
    monkeypatch.setattr(mechanisms, "_loaded", set())
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
