"""Morphologies of neurons, read from files with NEURON's importer."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.errors import SimulationError
from hpcsim.models.neuron.mechanisms import empty_session
from hpcsim.models.neuron.morphology import Cable, Morphology


def read(path: str | Path, checksum: str = "") -> Morphology:
    """Read a morphology with NEURON's importer.

    Parameters
    ----------
    path : str or Path
        A Neurolucida file (``.asc``) or an SWC file (``.swc``).
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
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SimulationError(f"the morphology {path} cannot be read: {error.strerror}; expected an .asc or .swc file") from error
    found = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if checksum and found != checksum:
        raise SimulationError(f"the morphology {path} is another file: found {found}, expected {checksum}")
    importers = {".asc": "Import3d_Neurolucida3", ".swc": "Import3d_SWC_read"}
    if path.suffix.lower() not in importers:
        raise SimulationError(f"the morphology {path} has the ending {path.suffix!r}; expected .asc (Neurolucida) or .swc")
    if path.suffix.lower() == ".swc":
        _check_swc(path, content.decode(errors="replace"))
    with empty_session() as h:
        h.load_file("import3d.hoc")
        importer, words = getattr(h, importers[path.suffix.lower()])(), io.StringIO()
        importer.quiet = 1
        with redirect_stdout(words):
            try:
                importer.input(str(path))
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
        raise SimulationError(f"the morphology {path} does not load: {'; '.join(said) or 'there is no neuron in it'}")
    if cables[0].kind != "soma":
        raise SimulationError(f"the morphology {path} has no soma; mark its outline as the soma (type 1 in an .swc file)")
    return Morphology(cables, str(path))


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


def _check_swc(path: Path, text: str) -> None:
    """Refuse a row that is no point, or whose parent is not above it: NEURON would stop without a word."""
    seen: set[int] = set()
    for number, line in enumerate(text.splitlines(), 1):
        row = line.split("#")[0].split()
        if not row:
            continue
        where = f"the morphology {path} does not load: line {number} ({line.strip()!r})"
        try:
            (point, _, parent), sizes = (int(row[i]) for i in (0, 1, 6)), [float(value) for value in row[2:6]]
        except (ValueError, IndexError):
            raise SimulationError(f"{where} is no point; expected: id type x y z radius parent") from None
        if parent not in seen and parent != -1:
            raise SimulationError(f"{where} has the parent {parent}, which is not above it; expected -1 or an earlier id")
        if point in seen or not np.isfinite(sizes).all() or sizes[3] <= 0:
            raise SimulationError(f"{where} has an id that is taken, or a radius that is not above 0")
        seen.add(point)
    if not seen:
        raise SimulationError(f"the morphology {path} does not load: there is no point in it")
