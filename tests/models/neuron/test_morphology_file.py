"""Morphologies from files, and files that are none."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from reconstruction import ASC

from hpcsim.errors import SimulationError
from hpcsim.models.neuron.mechanisms import neuron_interpreter
from hpcsim.models.neuron.morphology_file import read

SWC = """# a soma of three points, a basal and a branched apical dendrite, an axon
1 1 0 0 0 10 -1
2 1 0 -10 0 10 1
3 1 0 10 0 10 1
4 3 0 -12 0 1 1
5 3 0 -112 0 0.5 4
6 4 0 12 0 2 1
7 4 0 312 0 1.5 6
8 4 50 400 0 0.5 7
9 4 -50 400 0 0.5 7
10 2 12 0 0 0.5 1
11 2 200 0 0 0.5 10
"""


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_swc(tmp_path: Path):
    """Kinds, lengths and branching."""
    neuron = read(written(tmp_path, "cell.swc", SWC))
    assert sorted(cable.kind for cable in neuron.cables) == ["apic", "apic", "apic", "axon", "dend", "soma"]
    assert neuron.length("basal") == pytest.approx(100, abs=13)
    assert neuron.length("apical") == pytest.approx(300 + 2 * np.hypot(50, 88), abs=13)
    assert neuron.cables[0].kind == "soma" and neuron.longest("apical") == pytest.approx(412, abs=15)
    assert all(cable.parent < index for index, cable in enumerate(neuron.cables))
    assert not list(neuron_interpreter().allsec())


def test_neurolucida(tmp_path: Path):
    """The outline of the soma becomes a stack, and branches are sections."""
    neuron = read(written(tmp_path, "cell.asc", ASC))
    assert sorted(cable.kind for cable in neuron.cables) == ["apic", "apic", "apic", "dend", "soma"]
    assert neuron.length("apical") == pytest.approx(200 + 2 * 100, abs=1)
    assert 10 < neuron.length("somatic") <= 20
    assert neuron.with_axon_stub().length("axonal") == 60


def test_checksum_of_the_user(tmp_path: Path):
    """Another file is refused."""
    path = written(tmp_path, "cell.swc", SWC)
    right = f"sha256:{hashlib.sha256(SWC.encode()).hexdigest()}"
    assert len(read(path, right).cables) == 6
    with pytest.raises(SimulationError, match=rf"cell\.swc is another file: found {right}, expected sha256:0"):
        read(path, "sha256:" + 64 * "0")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.swc", SWC.replace("7 4 0 312 0 1.5 6", "7 4 0 x 0 1.5 6"), r"a\.swc does not load: line 8 \('7 4 0 x .*'\) is no"),
        ("a.swc", SWC.replace("1.5 6", "1.5 77"), r"line 8 .* has the parent 77, which is not above it"),
        ("a.swc", SWC.replace("9 4 -50 400 0 0.5 7", "9 4 -50 400 0 -1 7"), r"line 10 .* radius that is not above 0"),
        ("a.swc", SWC.replace("8 4 50", "7 4 50"), r"line 9 .* id that is taken"),
        ("a.swc", "", r"a\.swc does not load: there is no point in it"),
        ("a.swc", "1 3 0 0 0 1 -1\n2 3 0 0 50 1 1\n", "has no soma"),
        ("a.asc", ASC.replace("(0 -110 0 1)", "(0 abc 0 1)"), r"a\.asc does not load: parse error; .*line 7.*abc"),
        ("a.asc", ASC[:150], r"a\.asc does not load: parse error; .*line 5"),
        ("a.asc", "", r"a\.asc does not load: parse error"),
        ("a.txt", ASC, r"ending '\.txt'; expected \.asc \(Neurolucida\) or \.swc"),
    ],
)
def test_files_that_do_not_load(tmp_path: Path, name: str, text: str, message: str):
    """The message has the file and the line; NEURON stays empty."""
    with pytest.raises(SimulationError, match=message):
        read(written(tmp_path, name, text))
    assert not list(neuron_interpreter().allsec())


def test_no_file(tmp_path: Path):
    """Nothing is guessed."""
    with pytest.raises(SimulationError, match=r"none\.asc cannot be read: No such file"):
        read(tmp_path / "none.asc")
