"""Morphologies from files, and files that are none."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from reconstruction import ASC

from hpcsim.errors import SimulationError
from hpcsim.models.neuron.morphology.file import read
from hpcsim.models.neuron.nmodl.mechanisms import neuron_interpreter

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
        ("a.txt", ASC, r"ending '\.txt'; expected \.asc \(Neurolucida\), \.swc or \.hoc"),
    ],
)
def test_files_that_do_not_load(tmp_path: Path, name: str, text: str, message: str):
    """The message has the file and the line; NEURON stays empty."""
    with pytest.raises(SimulationError, match=message):
        read(written(tmp_path, name, text))
    assert not list(neuron_interpreter().allsec())


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if not line.startswith("#")]


def renumbered(text: str, factor: int) -> str:
    """The same points under other ids."""
    other = {row[0]: str(int(row[0]) * factor) for row in rows(text)} | {"-1": "-1"}
    return "".join(" ".join([other[row[0]], *row[1:6], other[row[6]]]) + "\n" for row in rows(text))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(SWC + "\n \n", id="blank lines"),
        pytest.param("\ufeff" + SWC.replace("\n", "  \r\n"), id="mark, CRLF, blanks at the end"),
        pytest.param(SWC.replace(" ", "\t"), id="tabs"),
        pytest.param("".join(", ".join(row) + "\n" for row in rows(SWC)), id="commas"),
        pytest.param("".join(" ".join([*row, "1"]) + " # x\n" for row in rows(SWC)), id="8 columns and comments"),
        pytest.param(SWC.replace("312", "3.12e2").replace("4 3 0", "4.0 3.0 0"), id="numbers"),
        pytest.param(renumbered(SWC, 20_000_000), id="ids in the millions"),
        pytest.param(SWC.replace("7 4 0 312", "7 5 0 312").replace("8 4 50", "8 6 50"), id="fork and end"),
    ],
)
def test_swc_as_programs_write_it(tmp_path: Path, text: str):
    """The same neuron."""
    expected, found = (read(written(tmp_path, name, content)) for name, content in (("a.swc", SWC), ("b.swc", text)))
    assert found.name([1] * 6) == expected.name([1] * 6)


def test_swc_whose_points_stand_above_their_parents(tmp_path: Path):
    """Ids are names, no order."""
    found = read(written(tmp_path, "a.swc", "\n".join(reversed(SWC.splitlines()))))
    assert sorted(cable.kind for cable in found.cables) == ["apic", "apic", "apic", "axon", "dend", "soma"]
    assert found.length("apical") == pytest.approx(read(written(tmp_path, "b.swc", SWC)).length("apical"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("12 3 200 0 0 1 -1", r"line 13 .* begins a second tree, beside that of line 2; expected one neuron"),
        ("12 1 200 0 0 6 -1\n13 3 200 9 0 1 12", r"line 13 .* begins a second soma, beside that of line 2"),
        ("12 0 30 120 0 0.5 5", r"line 13 .* has the type 0, of which no membrane is known; expected 1 soma, 2 axon"),
        ("12 5 30 120 0 0.5 5", r"line 13 .* has the type 5, of which no membrane"),
        ("12 6 30 120 0 0.5 5\n13 3 30 150 0 0.5 12", r"line 13 .* has the type 6, of which no membrane"),
        ("12 7 30 120 0 0.5 5", r"line 13 .* has the type 7, of which no membrane"),
        ("12 -3 30 120 0 0.5 5", r"line 13 .* has the type -3, of which no membrane"),
        ("12 1 0 -120 0 5 5", r"line 13 .* is a point of the soma on a neurite"),
        ("12 3 30 120 0 0.5 12", r"line 13 .* is its own ancestor"),
        ("12 3 30 120 0 0.5 13\n13 3 30 150 0 0.5 12", r"line 13 .* is its own ancestor"),
        ("-1 3 30 120 0 0.5 5", r"line 13 .* has an id below 0"),
        ("12 3 nan 120 0 0.5 5", r"line 13 .* has a place that is no distance in um"),
        ("12 3 30 1e300 0 0.5 5", r"line 13 .* has a place that is no distance in um"),
        ("12 3 30 120 0 inf 5", r"line 13 .* has a place that is no distance in um, or a radius"),
        ("12 3 30 120 0 0 5", r"line 13 .* radius that is not above 0"),
        ("12 3 30 120 0.5 5", r"line 13 .* is no point; expected: id type x y z radius parent"),
        ("12.5 3 30 120 0 0.5 5", r"line 13 .* is no point"),
        ("1_2 3 30 120 0 0.5 5", r"line 13 .* is no point"),
        pytest.param("1" * 5000 + " 3 30 120 0 0.5 5", r"line 13 .* is no point", id="an id of 5000 digits"),
        ("\x00\x01\x02", r"line 13 .* is no point"),
    ],
)
def test_lines_that_make_no_neuron(tmp_path: Path, line: str, message: str):
    """Read as something else, or the end of the process."""
    with pytest.raises(SimulationError, match=message):
        read(written(tmp_path, "a.swc", SWC + line + "\n"))
    assert not list(neuron_interpreter().allsec())


def test_the_outline_of_a_soma_is_no_cable(tmp_path: Path):
    """18 thin points around the middle would be a ring."""
    angle = 2 * np.pi * np.arange(18) / 18
    text = "".join(f"{i + 1} 1 {8 * np.cos(a):.3f} {8 * np.sin(a):.3f} 0 0.1 {i or -1}\n" for i, a in enumerate(angle))
    with pytest.raises(SimulationError, match=r"line 18 .* closes an outline of the soma; expected one point"):
        read(written(tmp_path, "a.swc", text + "19 3 8 0 0 1 1\n20 3 80 0 0 1 19\n"))


@pytest.mark.parametrize("soma", ["1 1 0 0 0 8 -1\n", "1 1 0 0 0 8 -1\n2 1 0 -8 0 8 1\n3 1 0 8 0 8 1\n"], ids=["one", "three"])
def test_a_soma_of_one_or_three_points_is_a_cylinder_of_its_surface(tmp_path: Path, soma: str):
    neuron = read(written(tmp_path, "a.swc", soma + "4 3 0 8 0 1 1\n5 3 0 80 0 1 4\n"))
    assert neuron.cables[0].length == pytest.approx(16) and neuron.cables[0].points[0, 3] == pytest.approx(16)
    assert [cable.kind for cable in neuron.cables] == ["soma", "dend"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("((Color Green)", '("Other" (CellBody)\n (90 0 0 0) (95 5 0 0) (90 9 0 0))\n((Color Green)', "line 6 begins a second"),
        ("(0 210 0 3)", "(0 nan 0 3)", r"line 4 \('0 nan 0 3'\) is no point"),
        ("(0 210 0 3)", "(0 1e300 0 3)", r"line 4 .* is no point"),
        ("(0 210 0 3)", "(0 210 0)", r"line 4 .* is no point; expected \(x y z diameter\)"),
        ("(0 210 0 3)", "(0 210 0 -3)", r"line 4 .* has a diameter that is not above 0"),
        ("(60 290 0 1)", "(60 290 0 0)", r"line 5 .* has a diameter that is not above 0"),
        ("(Dendrite)", "(Glia)", r"line 6 begins a tree without a type; expected one of \(Axon\), \(Dendrite\)"),
        ("(Dendrite)", "", r"line 6 begins a tree without a type"),
        ("(0 10 0 0.1) (-10 0 0 0.1)", "(20 10 0 0.1)", r"line 1 begins a cell body whose outline has 3 points and no width"),
        ("(10 0 0 0.1) (0 10 0 0.1) (-10 0 0 0.1)", "", r"line 1 begins a cell body whose outline has 1 points"),
        ("(0 -110 0 1) Normal)\n", "(0 -110 0 1) Normal))\n", r"line 7 closes a parenthesis that is not open"),
        ("(0 -110 0 1) Normal)\n", "(0 -110 0 1) Normal\n", r"parenthesis of line 6 is still open"),
        ("(Color Red)", '(Color "Red)', r"has a text without an end"),
        ("(Color Red)", "(Color \0)", r"line 1 is no text"),
    ],
)
def test_neurolucida_that_makes_no_neuron(tmp_path: Path, old: str, new: str, message: str):
    """Outlines that are lines and numbers that are none ended the process; others were read as something else."""
    assert old in ASC
    with pytest.raises(SimulationError, match=rf"a\.asc does not load: parse error; .*{message}"):
        read(written(tmp_path, "a.asc", ASC.replace(old, new, 1)))
    assert not list(neuron_interpreter().allsec())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(Color Red)", "(Color RGB (0, 255, 64))"),
        ("(0 210 0 3)", '(0 210 0 3)\n (Dot (Color White) (Name "Marker 1") (0 100 0 1))'),
        ("(0 210 0 3)", "(0 210 0 3) <(5 100 0 1)> ; 2, 2"),
        ("(0 210 0 3)", "(0 210 0 3 S1)"),
        ('("Cell', '\ufeff; V3 text file\n(FilledCircle (Name "m") (0 0 0 1))\n("Cell'),
        ("\n", "\r\n"),
    ],
    ids=["colour", "marker", "spine", "name of a point", "byte order mark and comment", "CRLF"],
)
def test_neurolucida_with_what_is_no_tree(tmp_path: Path, old: str, new: str):
    expected, found = (read(written(tmp_path, name, text)) for name, text in (("a.asc", ASC), ("b.asc", ASC.replace(old, new))))
    assert found.name([1] * 5) == expected.name([1] * 5)


def test_a_soma_may_be_several_outlines_over_each_other(tmp_path: Path):
    second = '("Cell Body" (CellBody)\n  (0 -8 4 0.1) (8 0 4 0.1) (0 8 4 0.1) (-8 0 4 0.1))\n((Color Blue)'
    neuron = read(written(tmp_path, "a.asc", ASC.replace("((Color Blue)", second)))
    assert [cable.kind for cable in neuron.cables].count("soma") == 1


def test_a_pipe_is_no_morphology(tmp_path: Path):
    os.mkfifo(tmp_path / "a.swc")
    with pytest.raises(SimulationError, match=r"a\.swc cannot be read: it is a pipe, expected a file"):
        read(tmp_path / "a.swc")


def test_no_file(tmp_path: Path):
    """Nothing is guessed."""
    with pytest.raises(SimulationError, match=r"none\.asc cannot be read: No such file"):
        read(tmp_path / "none.asc")


@pytest.mark.parametrize("word", ["W?10", "W#", "A:b", "a\\b", "x=1", "W\udc8b"])
def test_words_that_the_importer_waits_for_ever_at(tmp_path: Path, word: str) -> None:
    """Outside of quotation marks; within them, as paths of images are, all is allowed."""
    path = tmp_path / "cell.asc"
    path.write_bytes(ASC.replace("(0 210 0 3)", f"({word} 0 3)", 1).encode(errors="surrogateescape"))
    with pytest.raises(SimulationError, match=r"line 4 has '.*outside of quotation marks there is no"):
        read(path)
    path.write_text('(ImageCoords Filename "C:\\a b#1.tif")\n' + ASC)
    assert len(read(path).cables) == len(read(written(tmp_path, "other.asc", ASC)).cables)
