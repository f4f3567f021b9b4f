"""Morphologies in hoc files: read, and not run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hpcsim.errors import SimulationError
from hpcsim.models.neuron.morphology.file import read

HOC = """{create soma}
{access soma}
{nseg = 1}
{pt3dclear()}
{pt3dadd(0.0,0.0,-10.0,20.0)}
{pt3dadd(0,0,10,20)} // the end of it

{create BasalDendrite_1_0}
{connect BasalDendrite_1_0(0), soma(0.25)}
{access BasalDendrite_1_0}
{pt3dadd(0,0,-5,2)}
{pt3dadd(0,0,-1.05e2,1)}
{create apical_0}
{connect apical_0(0), soma(1.000000)}
{access apical_0}
{pt3dadd(0,0,10,3)}
{pt3dadd(0,0,310,2)}
{create apical_0_1}
{connect apical_0_1(0), apical_0(1.0)}
{access apical_0_1}
{pt3dadd(0,0,310,1)}
{pt3dadd(100,0,310,1)}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "cell.hoc"
    path.write_text(text)
    return path


def test_it_is_read_in_the_order_of_the_file(tmp_path: Path):
    found = read(written(tmp_path, HOC))
    assert [cable.kind for cable in found.cables] == ["soma", "dend", "apic", "apic"]
    assert [(cable.parent, cable.at) for cable in found.cables] == [(-1, 1.0), (0, 0.25), (0, 1.0), (2, 1.0)]
    np.testing.assert_array_equal(found.cables[1].points, [[0, 0, -5, 2], [0, 0, -105, 1]])
    assert found.longest("apical") == pytest.approx(10 + 300 + 100)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{access soma}", '{access soma}\n{system("touch evil")}', r"line 3: found 'system\(\"touch evil\"\)'; code is not run"),
        ("{nseg = 1}", "proc init() {", r"line 3: found 'proc init\(\)'"),
        ("{access apical_0}", "{access apicl_0}", r'line 15: there is no section "apicl_0" yet'),
        ("create apical_0_1", "create tuft_0_1", r'line 18: the section "tuft_0_1" says no kind; expected soma, apic'),
        ("create apical_0_1", "create apical_0", r'line 18: the section "apical_0" is there twice'),
        ("{connect apical_0_1(0), apical_0(1.0)}", "", r'section "apical_0_1" is not connected to the soma'),
        ("apical_0_1(0), apical_0(1.0)", "apical_0_1(0), apical_0_1(1.0)", r"sections in a circle: apical_0_1"),
        ("{pt3dadd(100,0,310,1)}", "", r'section "apical_0_1" has 1 points; expected two or more'),
        ("{pt3dadd(100,0,310,1)}", "{pt3dadd(100,0,310,0)}", r'section "apical_0_1" has 2 points; .* diameters above 0'),
        (HOC, "", r"has no soma"),
    ],
)
def test_what_is_no_morphology(tmp_path: Path, old: str, new: str, message: str):
    with pytest.raises(SimulationError, match=message):
        read(written(tmp_path, HOC.replace(old, new, 1)))
    assert not (Path.cwd() / "evil").exists()
