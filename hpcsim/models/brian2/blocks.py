"""The conversation with a compiled program: currents go in and voltages come out, some steps of some cells at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from pathlib import Path

import numpy as np

from hpcsim.models.brian2 import standalone
from hpcsim.models.brian2.equations import CELLS, ROWS

#: ``currents(cells, start, stop)``: injected currents in A of some cells in these steps, shape (len(cells), stop - start).
Currents = Callable[[slice, int, int], np.ndarray]


def voltage_blocks(
    program: Path,
    cells: Mapping[str, np.ndarray],
    shared: Mapping[str, float],
    steps: int,
    currents: Currents | None = None,
) -> Generator[tuple[slice, int, np.ndarray], None, None]:
    """Run a program for many cells.

    Parameters
    ----------
    program : Path
        Its folder.
    cells : mapping of str to ndarray, shape (n,)
        Variables of the cells in SI units.
    shared : mapping of str to number
        Variables of the group.
    steps : int
        Number of time steps.
    currents : callable, optional
        What is injected; without it, the program draws its own noise.

    Yields
    ------
    cells : slice
        Of all cells, some hundreds at most.
    start : int
        First step of the block; blocks of the same cells follow each other.
    voltages : ndarray, shape (cells, rows)
        mV before each time step; its memory is used again for the next block.

    Raises
    ------
    SimulationError
        If the program fails. Close the iterator (``contextlib.closing``) where it may be left early: that ends the program.
    """
    n, memory = len(next(iter(cells.values()))), bytearray(8 * CELLS * ROWS)
    with standalone.running(program, {f"cells.{name}": value for name, value in shared.items()}) as talk:
        names = (f"{name} {column.dtype.itemsize}" for name, column in cells.items())
        talk.send(f"{' '.join(names)}\n".encode())
        for first in range(0, n, CELLS):
            rows = slice(first, min(first + CELLS, n))
            talk.send(b"".join(filled(column[rows]).tobytes() for column in cells.values()))
            for start in range(0, steps, ROWS):
                stop = min(start + ROWS, steps)
                if currents is not None:
                    talk.send(filled(currents(rows, start, stop)).tobytes("F"))
                block = memoryview(memory)[: 8 * CELLS * (stop - start)]
                if not talk.receive(block):
                    return
                yield rows, start, np.frombuffer(block).reshape(CELLS, -1)[: rows.stop - first]


def filled(column: np.ndarray) -> np.ndarray:
    """The first axis filled up to the number of cells of the program with copies of the last cell."""
    # always whole vectors: the remainder of a vectorised loop would round in another way
    last = len(column) - 1
    full: np.ndarray = column[np.minimum(np.arange(CELLS), last)]
    return full
