"""The one-compartment cortical cell of Bernaerts et al. 2025, in batches.

Seven voltage-dependent conductances, a leak, a current step and a noise current of its own for every cell; exponential
Euler with a fixed step.
"""

from __future__ import annotations

import hashlib
import math
import weakref
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.errors import SimulationError, nearest
from hpcsim.models.brian2 import standalone
from hpcsim.models.brian2.blocks import voltage_blocks
from hpcsim.models.brian2.equations import CELLS, source
from hpcsim.models.model import Context, model
from hpcsim.outputs import Coordinate, Output
from hpcsim.paths import cache_directory
from hpcsim.space.parameter import Parameter, Value
from hpcsim.space.points import Points

BERNAERTS = "Bernaerts et al. 2025, Hodgkin-Huxley model of the M1 and V1 Patch-seq cells"
SCALA = "Scala et al. 2021, doi:10.1038/s41586-020-2907-3, recordings at 25 degC"
GOUWENS = "Gouwens et al. 2020, doi:10.1016/j.cell.2020.09.057, recordings at 34 degC"
PRIOR = f"within the prior of {BERNAERTS}; its bounds are the prior's"

PARAMETERS: tuple[Parameter, ...] = (
    Parameter("C", 2.0, "uF/cm**2", (0.1, 15.0), description="membrane capacitance", source=PRIOR),
    Parameter("R_input", 200.0, "Mohm", (20.0, 1000.0), description="input resistance of the leak alone", source=PRIOR),
    Parameter("tau", 20.0, "ms", (0.1, 70.0), description="membrane time constant of the leak alone", source=PRIOR),
    Parameter("gNat", 50.0, "mS/cm**2", (0.0, 250.0), description="fast transient Na conductance", source=PRIOR),
    Parameter("gNa", 25.0, "mS/cm**2", (0.0, 100.0), description="Na conductance", source=PRIOR),
    Parameter("gKd", 8.0, "mS/cm**2", (0.0, 30.0), description="delayed rectifier K conductance", source=PRIOR),
    Parameter("gM", 0.1, "mS/cm**2", (0.0, 3.0), description="slow K conductance (M current)", source=PRIOR),
    Parameter("gKv31", 20.0, "mS/cm**2", (0.0, 250.0), description="Kv3.1 conductance", source=PRIOR),
    Parameter("gL", 0.01, "mS/cm**2", (0.0, 3.0), description="L-type Ca conductance", source=PRIOR),
    Parameter("E_leak", -80.0, "mV", (-130.0, -50.0), description="leak reversal potential", source=PRIOR),
    Parameter("tau_max", 500.0, "ms", (50.0, 4000.0), description="largest time constant of the M current", source=PRIOR),
    Parameter("VT", -60.0, "mV", (-90.0, -35.0), description="voltage that shifts the gates of gNa and gKd", source=PRIOR),
    Parameter("r_SS", 1.0, "", (0.1, 3.0), description="divides the rates of the gates of gNa and gKd", source=PRIOR),
    Parameter("I", 300.0, "pA", (0.0, 870.0), description="current of the step; prior of V1: 20 to 870 pA", source=BERNAERTS),
    Parameter("temperature", 25.0, "degC", (0.0, 50.0), description="sets the rates of all gates but q and r", source=SCALA),
    Parameter("E_Na", 69.0, "mV", (-150.0, 250.0), description="Na reversal potential", source=BERNAERTS),
    Parameter("E_K", -98.4, "mV", (-150.0, 250.0), description="K reversal potential", source=BERNAERTS),
    Parameter("E_Ca", 127.2, "mV", (-150.0, 250.0), description="Ca reversal potential", source=BERNAERTS),
    Parameter("step_start", 100.0, "ms", (0.0, None), description="when the current step begins", source=SCALA),
    Parameter("step_stop", 700.0, "ms", (0.0, None), description="when the current step ends", source=SCALA),
    Parameter("duration", 800.0, "ms", (1e-3, None), description="simulated time", source=SCALA),
    Parameter("dt", 0.04, "ms", (1e-3, 0.1), description="time step, of the noise too", source=BERNAERTS),
    Parameter("noise_sd", 10.0, "pA", (0.0, None), description="standard deviation of the noise current", source=BERNAERTS),
)

M1: dict[str, Value] = {
    "temperature": 25.0,
    "E_Na": 69.0,
    "E_K": -98.4,
    "E_Ca": 127.2,
    "I": 300.0,
    "step_start": 100.0,
    "step_stop": 700.0,
    "duration": 800.0,
}
V1: dict[str, Value] = {
    "temperature": 34.0,
    "E_Na": 53.5,
    "E_K": -101.3,
    "E_Ca": 131.1,
    "step_start": 100.0,
    "step_stop": 1100.0,
    "duration": 1200.0,
}
PRESETS: dict[str, dict[str, Value]] = {"m1": M1, "m1_no_rss": {**M1, "r_SS": 1.0}, "v1": V1}

#: Points of one call: their voltages take 164 MB (M1) or 246 MB (V1).
BATCH = 16 * CELLS


def _steps(p: Mapping[str, Any]) -> int:
    return round(float(p["duration"]) / float(p["dt"]))


def coordinates(p: Mapping[str, Any]) -> dict[str, Coordinate]:
    """Times at which the voltage is known: before each step."""
    return {"time": Coordinate(p["dt"] * np.arange(_steps(p)), "ms")}


def check(p: Mapping[str, Any]) -> str:
    """Why these values make no sense together, or an empty string."""
    if _steps(p) < 1:
        return f"duration ({p['duration']:g} ms) is shorter than the time step dt ({p['dt']:g} ms)"
    if not p["step_start"] <= p["step_stop"] <= p["duration"]:
        return (
            f"the step from step_start ({p['step_start']:g} ms) to step_stop ({p['step_stop']:g} ms) must lie within the "
            f"duration ({p['duration']:g} ms)"
        )
    return ""


def cell_variables(p: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Variables of the equations, in SI units, from the parameters.

    The area of the membrane follows from C, R_input and tau, and cancels: the capacitance is tau/R_input, the leak conductance
    1/R_input, and C scales the voltage-dependent conductances alone.

    Parameters
    ----------
    p : mapping of str to ndarray, shape (n,)
        In the units that the model declares.

    Returns
    -------
    dict of str to ndarray, shape (n,)
    """
    # temperature coefficients of 2.3 per 10 degC, from 21 degC (Hay et al. 2011) and 36 degC (Pospischil et al. 2008)
    q10_H, q10_P = (2.3 ** ((p["temperature"] - reference) / 10) for reference in (21.0, 36.0))
    return {
        **{f"k_{name[1:]}": 1e3 * p[name] / p["C"] for name in ("gNat", "gNa", "gKd", "gM", "gKv31", "gL")},
        "k_leak": 1e3 / p["tau"],
        "elastance": 1e9 * p["R_input"] / p["tau"],
        **{name: 1e-3 * p[name] for name in ("E_Na", "E_K", "E_Ca", "E_leak")},
        "V_T": 1e-3 * p["VT"],
        "rate_M": 1e3 * q10_P / p["tau_max"],
        "q10_H": q10_H,
        "q10_P": q10_P / p["r_SS"],
        "I": 1e-12 * p["I"],
        "step_on": np.rint(p["step_start"] / p["dt"]),
        "step_off": np.rint(p["step_stop"] / p["dt"]),
    }


def simulate_traces(
    values: Mapping[str, np.ndarray | float],
    *,
    seeds: np.ndarray | None = None,
    noise: np.ndarray | None = None,
    cache: Path | None = None,
    progress: Callable[[float], None] | None = None,
    allocate: Callable[[tuple[int, int]], np.ndarray] = np.empty,
) -> np.ndarray:
    """Voltage traces of many cells.

    Parameters
    ----------
    values : mapping of str to number or ndarray, shape (n,)
        Parameters in the units that the model declares; defaults for the others.
    seeds : ndarray of uint64, shape (n,), optional
        Of the noise current of each cell.
    noise : ndarray, shape (steps,) or (n, steps), optional
        The noise current itself in pA; `noise_sd` and `seeds` have no effect then. One of the two must be given.
    cache : Path, optional
        Where the compiled program is kept; the user's cache folder by default.
    progress : callable, optional
        Is told which fraction is done.
    allocate : callable
        ``allocate(shape)`` gives the array to write into.

    Returns
    -------
    ndarray of float64, shape (n, steps)
        Voltage in mV before each time step; the first is E_leak.

    Raises
    ------
    SimulationError
        If a parameter does not exist, cells differ in duration or time step, columns differ in length, `noise` has another
        shape, the program cannot be made or fails, or a voltage is not finite.
    """
    columns = _columns(values, seeds, noise)
    dt, steps = float(columns["dt"][0]), _steps({name: columns[name][0] for name in ("duration", "dt")})
    n = len(columns["dt"])
    cells = cell_variables(columns)
    if noise is not None:
        currents = _currents(noise, n, steps)
    elif seeds is not None:
        cells |= {"sd_noise": 1e-12 * columns["noise_sd"], **_halves(seeds)}
    else:
        raise SimulationError("the noise current needs seeds, or noise in pA for every step; pass one of the two")
    shared = {"time_step": 1e-3 * dt, "steps": steps, "injected": int(noise is not None)}
    voltages = allocate((n, steps))
    given = None if noise is None else lambda rows, start, stop: currents[rows, start:stop]
    with closing(voltage_blocks(program(cache or cache_directory()), cells, shared, steps, given)) as blocks:
        for rows, start, block in blocks:
            voltages[rows, start : start + block.shape[1]] = block
            if progress is not None:
                progress((rows.start + len(block) * start / steps) / n)
    return _finite(voltages, dt)


def _columns(values: Mapping[str, Any], seeds: np.ndarray | None, noise: np.ndarray | None) -> dict[str, np.ndarray]:
    """Every parameter as a column; time step and duration must be the same for all cells."""
    for name in values:
        if cortical_hh.parameter(name) is None:
            raise SimulationError(f'there is no parameter "{name}"; {nearest(name, cortical_hh.defaults())}')
    named = {name: np.atleast_1d(np.asarray(value, float)) for name, value in {**cortical_hh.defaults(), **values}.items()}
    lengths = {len(column) for column in named.values()}
    if seeds is not None:
        lengths.add(len(seeds))
    if noise is not None and noise.ndim == 2:
        lengths.add(len(noise))
    n = max(lengths)
    if lengths - {1, n}:
        raise SimulationError(f"parameters, seeds and noise must have one length; found {sorted(lengths)}")
    columns = {name: np.ascontiguousarray(np.broadcast_to(column, n)) for name, column in named.items()}
    for name in ("dt", "duration"):
        if (columns[name] != columns[name][0]).any():
            raise SimulationError(f"{name} differs between the cells of a batch; it must be the same for all points of a study")
    return columns


def _currents(noise: np.ndarray, n: int, steps: int) -> np.ndarray:
    """Injected currents in A, shape (n, steps)."""
    if noise.shape not in {(steps,), (n, steps)}:
        raise SimulationError(f"noise has shape {noise.shape}, expected ({steps},) or ({n}, {steps}): a current for every step")
    return np.broadcast_to(1e-12 * np.asarray(noise, float), (n, steps))


def _halves(seeds: np.ndarray) -> dict[str, np.ndarray]:
    """Lower and upper 32 bits of the seeds, as Brian2's integers."""
    seeds = np.asarray(seeds, np.uint64)
    low, high = seeds & np.uint64(2**32 - 1), seeds >> np.uint64(32)
    return {"seed_low": low.astype(np.uint32).view(np.int32), "seed_high": high.astype(np.uint32).view(np.int32)}


def _finite(voltages: np.ndarray, dt: float) -> np.ndarray:
    """The same voltages, or an error."""
    # a voltage that is not finite stays so to the end
    bad = np.flatnonzero(~np.isfinite(voltages[:, -1]))
    if len(bad):
        begin = dt * int(np.argmin(np.isfinite(voltages[bad[0]])))
        raise SimulationError(
            f"the voltage of {len(bad)} of {len(voltages)} cells is not finite, of the first of them (cell {bad[0]}) from "
            f"{begin:g} ms on; its parameters are outside what exponential Euler with dt {dt:g} ms can integrate"
        )
    return voltages


class Workspace:
    """Memory for voltages that is used again, as fresh pages cost up to a third of the simulation."""

    def __init__(self) -> None:
        self._memory = bytearray()
        self._holder: Callable[[], np.ndarray | None] = lambda: None

    def __call__(self, shape: tuple[int, int]) -> np.ndarray:
        """An array of float64; its memory is nobody else's as long as it, or a view of it, is alive."""
        size = 8 * math.prod(shape)
        if self._holder() is not None or len(self._memory) < size:
            self._memory = bytearray(size)
        # every view keeps this array alive, since the owner of the memory is no array
        holder = np.frombuffer(self._memory, np.float64, math.prod(shape))
        self._holder = weakref.ref(holder)
        return holder.reshape(shape)


def program(cache: Path) -> Path:
    """Folder of the compiled program, made unless it is there."""
    return standalone.program("hpcsim.models.brian2.equations", source(), cache)


def prepare(context: Context) -> None:
    """Compile once, before tasks would do it side by side."""
    program(context.cache)


def identity() -> Mapping[str, str]:
    """What made the numbers."""
    return {"equations": hashlib.sha256(source().encode()).hexdigest(), "flags": " ".join(standalone.FAST)}


@model(
    "brian2.cortical_hh",
    parameters=PARAMETERS,
    outputs=[Output("v", ("time",), "mV", description="membrane potential before each time step")],
    coordinates=coordinates,
    check=check,
    batch=BATCH,
    engine="brian2",
    extra="brian2",
    requires=("brian2",),
    identity=identity,
    prepare=prepare,
    presets=PRESETS,
    source=f"{BERNAERTS}; {SCALA}; {GOUWENS}",
)
def cortical_hh(points: Points, context: Context) -> dict[str, Any]:
    """One-compartment Hodgkin-Huxley cells of mouse cortex under a current step with noise."""
    return {
        "v": simulate_traces(
            points.columns,
            seeds=points.seeds,
            cache=context.cache,
            progress=context.progress,
            allocate=context.memo.setdefault("brian2.cortical_hh", Workspace()),
        )
    }
