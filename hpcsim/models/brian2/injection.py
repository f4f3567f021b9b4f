"""Cells under a protocol of injected current: what is simulated step by step, and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.errors import SimulationError
from hpcsim.models.brian2 import protocol
from hpcsim.models.brian2.blocks import voltage_blocks
from hpcsim.models.brian2.equations import CELLS, ROWS
from hpcsim.outputs import Coordinate, Output
from hpcsim.space.parameter import Parameter

#: Points of one call: a run of the program always takes the time of so many.
BATCH = 8 * CELLS
#: Steps of intrinsic noise that are drawn at a time: whole blocks.
_DRAWN = 40 * ROWS

PARAMETERS: tuple[Parameter, ...] = (
    *protocol.PARAMETERS,
    Parameter("sample", 1.0, "ms", (1e-3, None), description="time between two samples of the voltage that is an output"),
    Parameter("spike_level", -20.0, "mV", description="voltage that a spike crosses upwards"),
)
OUTPUTS = (
    Output("spike_times", ("spike",), "ms", ragged=True, description="upward crossings of spike_level"),
    Output("v", ("time",), "mV", description="membrane potential before the time step"),
    Output("current", ("time_bin",), "pA", description="mean injected current of each bin, without intrinsic noise"),
    Output("epoch", ("time_bin",), dtype="int16", description="number of the sweep, from 1"),
)
#: What must be the same for all points of a study, since they are simulated together and have one clock.
_SHARED = tuple(parameter.name for parameter in PARAMETERS if parameter.name not in (*protocol.SWEPT, "spike_level"))


def _steps(values: Mapping[str, Any]) -> int:
    return sum(protocol.sweep_steps(values, name) for name in values["sweeps"])


def coordinates(values: Mapping[str, Any]) -> dict[str, Coordinate]:
    """Times of the samples of the voltage, and left edges of the bins of the current."""
    steps, dt = _steps(values), float(values["dt"])
    every, width = (round(float(values[name]) / dt) for name in ("sample", "current_bin"))
    return {
        "time": Coordinate(dt * np.arange(0, steps, every), "ms"),
        "time_bin": Coordinate(dt * width * np.arange(steps // width), "ms"),
    }


def check(values: Mapping[str, Any]) -> str:
    """Why these values make no sense together, or an empty string."""
    every = round(float(values["sample"]) / float(values["dt"]))
    if every < 1 or abs(every * values["dt"] - values["sample"]) > 1e-6 * values["dt"]:
        return f"sample ({values['sample']:g} ms) must be a multiple of the time step dt ({values['dt']:g} ms)"
    return protocol.check(values)


class Intrinsic:
    """White noise currents of the cells' own, drawn from their seeds whatever their company.

    Parameters
    ----------
    seeds : ndarray of uint64, shape (n,)
    sd : ndarray, shape (n,), pA
    """

    def __init__(self, seeds: np.ndarray, sd: np.ndarray) -> None:
        self._seeds, self._sd = seeds, sd
        self._place: tuple[int, int] = (-1, -1)
        self._random: list[np.random.Generator] = []
        self._rows = np.empty((0, 0))

    def currents(self, cells: slice, start: int, stop: int) -> np.ndarray:
        """Currents of a block, pA; the blocks of some cells must be asked for one after the other, from the first on."""
        place = (cells.start, start // _DRAWN)
        if place != self._place:
            if not place[1]:
                self._random = [np.random.Generator(np.random.Philox(key=int(seed))) for seed in self._seeds[cells]]
            self._rows = np.array([random.standard_normal(_DRAWN) for random in self._random])
            self._place = place
        first = place[1] * _DRAWN
        return np.asarray(self._sd[cells, np.newaxis] * self._rows[:, start - first : stop - first])


def simulate(
    program: Path,
    cells: Mapping[str, np.ndarray],
    columns: Mapping[str, np.ndarray],
    seeds: np.ndarray,
    progress: Callable[[float], None],
) -> dict[str, Any]:
    """Simulate cells under their protocol.

    Parameters
    ----------
    program : Path
        Folder of the compiled program.
    cells : mapping of str to ndarray, shape (n,)
        Its variables of the cells in SI units.
    columns : mapping of str to sequence
        `PARAMETERS`, ``dt`` and ``noise_sd`` of the points, in declared units.
    seeds : ndarray of uint64, shape (n,)
        Of the intrinsic noise.
    progress : callable
        Is told which fraction is done.

    Returns
    -------
    dict of str to batch
        `OUTPUTS`.

    Raises
    ------
    SimulationError
        If points differ in what they must share, the program fails, or a voltage is not finite.
    """
    values = shared_values(columns)
    waves, n, steps, dt = protocol.waveforms(values), len(seeds), _steps(values), float(values["dt"])
    every, width = (round(float(values[name]) / dt) for name in ("sample", "current_bin"))
    swept = {name: np.asarray(columns[name], float) for name in protocol.SWEPT}
    sd, level = np.asarray(columns["noise_sd"], float), np.asarray(columns["spike_level"], float)
    own = Intrinsic(seeds, sd) if sd.any() else None

    def currents(rows: slice, start: int, stop: int) -> np.ndarray:
        injected = waves.current({name: column[rows] for name, column in swept.items()}, start, stop)
        if own is not None:
            injected += own.currents(rows, start, stop)
        return 1e-12 * injected

    v = np.empty((n, -(-steps // every)))
    crossings: list[tuple[np.ndarray, np.ndarray]] = []
    # a voltage that begins above the level has not crossed it
    above = np.ones(n, bool)
    shared = {"time_step": 1e-3 * dt, "steps": steps, "injected": 1}
    with closing(voltage_blocks(program, cells, shared, steps, currents)) as blocks:
        for rows, start, block in blocks:
            first = -start % every
            v[rows, (start + first) // every : -(-(start + block.shape[1]) // every)] = block[:, first::every]
            over = block >= level[rows, np.newaxis]
            before = np.concatenate([above[rows, np.newaxis], over[:, :-1]], axis=1)
            cell, step = np.nonzero(over & ~before)
            crossings.append((cell + rows.start, step + start))
            above[rows] = over[:, -1]
            progress((rows.start + len(block) * start / steps) / n)
            _check_finite(block[:, -1], rows.start, n, dt * (start + block.shape[1]))
    cell, step = (np.concatenate(parts) for parts in zip(*crossings, strict=True))
    order = np.lexsort((step, cell))
    return {
        "spike_times": np.split(dt * step[order], np.searchsorted(cell[order], np.arange(1, n))),
        "v": v,
        "current": waves.binned(swept, width),
        "epoch": np.tile(waves.sweep[::width], (n, 1)),
    }


def shared_values(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Values that all points have in common.

    Raises
    ------
    SimulationError
        If they do not.
    """
    values = {}
    for name in (*_SHARED, "dt"):
        first = columns[name][0]
        if any(other != first for other in columns[name][1:]):
            raise SimulationError(f"{name} differs between the cells of a batch; it must be the same for all points of a study")
        values[name] = first
    return values


def _check_finite(voltages: np.ndarray, first: int, n: int, until: float) -> None:
    # a voltage that is not finite stays so to the end
    bad = np.flatnonzero(~np.isfinite(voltages))
    if len(bad):
        raise SimulationError(
            f"the voltage of {len(bad)} of {n} cells is not finite, of the first of them (cell {first + bad[0]}) before "
            f"{until:g} ms; its parameters are outside what the integrator can do with this time step"
        )
