"""Morphologies of neurons, read from files with NEURON's importer."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.errors import SimulationError, shown
from hpcsim.files import regular
from hpcsim.models.neuron.morphology import hoc
from hpcsim.models.neuron.morphology.neurolucida import check
from hpcsim.models.neuron.morphology.swc import in_order
from hpcsim.models.neuron.morphology.tree import LISTS, Cable, Morphology
from hpcsim.models.neuron.nmodl.mechanisms import empty_session
from hpcsim.models.plain_path import plain_folder

#: Bytes of the largest file; reconstructions of whole brains have less a neuron.
_LARGEST = 2**28


def read(path: str | Path, checksum: str = "") -> Morphology:
    """Read a morphology with NEURON's importer.

    Parameters
    ----------
    path : str or Path
        A Neurolucida file (``.asc``), an SWC file (``.swc``), or a hoc file (``.hoc``) of sections and points, which is not run.
    checksum : str
        ``sha256:...``: the file must be this one.

    Returns
    -------
    Morphology
        In the coordinates of the file.

    Raises
    ------
    SimulationError
        If the file is not there, is another one, or does not load; with the line where the importer stopped.
    """
    path = Path(path)
    content = _content(path)
    found = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if checksum and found != checksum:
        raise SimulationError(f"the morphology {path} is another file: found {found}, expected {checksum}")
    importers = {".asc": "Import3d_Neurolucida3", ".swc": "Import3d_SWC_read"}
    text = content.decode("utf-8-sig", errors="replace")
    if path.suffix.lower() == ".hoc":
        return _sound(hoc.cables(text, str(path)), path)
    if path.suffix.lower() not in importers:
        raise SimulationError(f"the morphology {path} has the ending {path.suffix!r}; expected .asc (Neurolucida), .swc or .hoc")
    if path.suffix.lower() == ".swc":
        text = in_order(text, str(path))
    else:
        check(text, str(path))
    # the importer reads a file, and no letters beyond ASCII in it or in its path
    with empty_session() as h, plain_folder() as folder:
        checked = folder / f"neuron{path.suffix.lower()}"
        checked.write_text(text, encoding="ascii", errors="replace")
        h.load_file("import3d.hoc")
        importer, words = getattr(h, importers[path.suffix.lower()])(), io.StringIO()
        importer.quiet = 1
        with redirect_stdout(words):
            try:
                importer.input(str(checked))
                gui = None if "error" in words.getvalue() else h.Import3d_GUI(importer, 0)
                if gui is not None:
                    gui.instantiate(None)
            except RuntimeError as error:
                words.write(f"error: {error}")
        cables = _cables(list(h.allsec()))
        gui = importer = None
    # NEURON's importer goes on after a line that it does not understand
    said = [line.strip() for line in words.getvalue().splitlines() if line.strip()]
    if any("error" in line for line in said) or not cables:
        reason = shown("; ".join(said), 1000) or "there is no neuron in it"
        raise SimulationError(f"the morphology {path} does not load: {reason}")
    return _sound(cables, path)


def _sound(cables: tuple[Cable, ...], path: Path) -> Morphology:
    """A neuron of these sections, if they are one."""
    if not cables or cables[0].kind != "soma":
        raise SimulationError(f"the morphology {path} has no soma; mark its outline as the soma (type 1 in an .swc file)")
    for cable in cables:
        x, y, z, _ = cable.points[0]
        if cable.kind not in LISTS.values() or not cable.length > 0:
            what = "no length" if cable.kind in LISTS.values() else f'the kind "{cable.kind}", of which no membrane is known'
            raise SimulationError(f"the morphology {path} has a section at {x:g}, {y:g}, {z:g} um with {what}; fix or remove it")
    return Morphology(cables, str(path))


def checksum_of(path: str | Path) -> str:
    """``sha256:...`` of a file.

    Raises
    ------
    SimulationError
        If it cannot be read.
    """
    return f"sha256:{hashlib.sha256(_content(Path(path))).hexdigest()}"


def _content(path: Path) -> bytes:
    try:
        return regular(path, _LARGEST).read_bytes()
    except OSError as error:
        raise SimulationError(
            f"the morphology {path} cannot be read: {error.strerror}; expected an .asc, .swc or .hoc file"
        ) from error


def _cables(sections: Sequence[Any]) -> tuple[Cable, ...]:
    """What NEURON holds, parents first."""
    index: dict[str, int] = {}
    made: list[Cable] = []
    waiting = list(sections)
    while waiting:
        ready = [s for s in waiting if s.parentseg() is None or s.parentseg().sec.name() in index]
        for section in ready:
            seat = section.parentseg()
            columns = (section.x3d, section.y3d, section.z3d, section.diam3d)
            points = np.array([[column(i) for column in columns] for i in range(section.n3d())])
            parent, at = (-1, 1.0) if seat is None else (index[seat.sec.name()], float(seat.x))
            index[section.name()] = len(made)
            made.append(Cable(section.name().split("[")[0], points, parent, at))
        waiting = [s for s in waiting if s.name() not in index]
    return tuple(made)
