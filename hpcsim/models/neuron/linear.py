"""Linear forms of active mechanisms, derived from what NEURON computes: frozen, and quasi-active.

A mechanism with gates x_k gives a membrane the current I(v, x) with dx_k/dt = F_k(v, x_k). Around a holding potential v_0
at which its gates are steady, to first order (a quasi-active membrane: Koch (1984) Biol Cybern 50:15-33),

    I = I_0 + g (v - v_0) + sum_k s_k X_k,    dX_k/dt = (v - v_0 - X_k) / tau_k

with g = dI/dv at fixed gates, tau_k = -1 / (dF_k/dx_k), and s_k = dI/dx_k * dF_k/dv * tau_k. Frozen, all X_k stay 0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.errors import SimulationError
from hpcsim.models.neuron import mechanisms

#: mV: step of derivatives with respect to the potential, far below the 6 mV over which rates change.
V_STEP = 0.02
#: Step of derivatives with respect to a gate, relative to its value; they are exact for currents up to its fourth power.
GATE_STEP = 0.05
#: A gate whose rate depends more than this on another one, relative to its own relaxation, is not independent.
COUPLING = 1e-9


@dataclass(frozen=True)
class Gate:
    """One gate of a mechanism around a holding potential.

    Parameters
    ----------
    name : str
        As NEURON calls it, such as ``m_Ih``.
    slow : float, S/cm2
        Conductance s that the gate adds once it has followed the potential.
    tau : float, ms
        Its time constant.
    """

    name: str
    slow: float
    tau: float


@dataclass(frozen=True)
class Expansion:
    """A mechanism around a holding potential, to first order.

    Parameters
    ----------
    mechanism : str
    v : float, mV
        The holding potential.
    current : float, mA/cm2
        At the holding potential, outward positive.
    g : float, S/cm2
        Conductance at fixed gates.
    gates : tuple of Gate
    """

    mechanism: str
    v: float
    current: float
    g: float
    gates: tuple[Gate, ...]


def expand(mechanism: str, v: float, values: Mapping[str, float]) -> Expansion:
    """Derive the first-order form of a mechanism that NEURON knows.

    Derivatives are taken of the right-hand side that NEURON's variable-step integrator evaluates, so that no equation is
    written a second time.

    Parameters
    ----------
    mechanism : str
        A density mechanism that is loaded, such as ``Ih``.
    v : float, mV
        Holding potential.
    values : mapping of str to float
        Attributes of the section that the mechanism reads, such as ``{"gbar_NaTa_t": 2.04, "ena": 50}``.

    Returns
    -------
    Expansion

    Raises
    ------
    SimulationError
        If NEURON does not know the mechanism, holds sections of somebody else, or gates depend on each other.
    """
    with _held(mechanism, v, values) as (names, evaluate, state):
        base = evaluate(state)
        steps = np.where(state == 0, GATE_STEP, GATE_STEP * np.abs(state))
        steps[0] = V_STEP
        jacobian = np.array([_derivative(evaluate, state, i, step) for i, step in enumerate(steps)]).T
    return Expansion(mechanism, v, float(-base[0]), float(-jacobian[0, 0]), _gates(names, jacobian))


def insert(section: Any, expansions: Sequence[Expansion], cache: Path, *, frozen: bool) -> None:
    """Give a section the sum of some mechanisms around their holding potential, which becomes its resting potential.

    Parameters
    ----------
    section : nrn.Section
    expansions : sequence of Expansion
        All at the same holding potential.
    cache : Path
        Where compiled mechanisms are kept.
    frozen : bool
        Gates stay as they are at the holding potential; otherwise they follow the potential to first order.

    Raises
    ------
    SimulationError
        If the holding potentials differ.
    """
    potentials = sorted({expansion.v for expansion in expansions})
    if len(potentials) != 1:
        raise SimulationError(f"expansions are around the potentials {potentials} mV; expected one potential for all of them")
    section.insert("pas")
    section.g_pas = sum(expansion.g for expansion in expansions)
    section.e_pas = potentials[0]
    gates = [] if frozen else [gate for expansion in expansions for gate in expansion.gates]
    if not gates:
        return
    name, text = quasi_active(len(gates))
    mechanisms.load([mechanisms.write_once(cache / "generated" / f"{name}.mod", text)], cache)
    section.insert(name)
    setattr(section, f"vrest_{name}", potentials[0])
    for k, gate in enumerate(gates):
        setattr(section, f"slow{k}_{name}", gate.slow)
        setattr(section, f"tau{k}_{name}", gate.tau)


def quasi_active(n: int) -> tuple[str, str]:
    """Write the mechanism of `n` gates that follow the potential to first order.

    Parameters
    ----------
    n : int

    Returns
    -------
    tuple of str
        Its name, which belongs to this text alone, and its NMODL text.
    """
    body = f"""TITLE {n} gate(s) to first order around a resting potential
NEURON {{
    THREADSAFE
    SUFFIX NAME
    NONSPECIFIC_CURRENT i
    RANGE i, vrest, {", ".join(f"slow{k}, tau{k}" for k in range(n))}
}}
UNITS {{
    (S) = (siemens)
    (mV) = (millivolt)
    (mA) = (milliamp)
}}
PARAMETER {{
    vrest = -65 (mV)
    {_each(n, "slow{k} = 0 (S/cm2)", "tau{k} = 1 (ms)")}
}}
ASSIGNED {{
    v (mV)
    i (mA/cm2)
}}
STATE {{
    {_each(n, "x{k} (mV)")}
}}
INITIAL {{
    {_each(n, "x{k} = 0")}
}}
BREAKPOINT {{
    SOLVE relax METHOD cnexp
    i = {" + ".join(f"slow{k} * x{k}" for k in range(n))}
}}
DERIVATIVE relax {{
    {_each(n, "x{k}' = (v - vrest - x{k}) / tau{k}")}
}}
"""
    name = f"quasi_active_{n}_{hashlib.sha256(body.encode()).hexdigest()[:8]}"
    return name, body.replace("NAME", name)


def _each(n: int, *lines: str) -> str:
    return "\n    ".join(line.format(k=k) for k in range(n) for line in lines)


@contextmanager
def _held(
    mechanism: str, v: float, values: Mapping[str, float]
) -> Iterator[tuple[list[str], Callable[[np.ndarray], np.ndarray], np.ndarray]]:
    """A single compartment with one mechanism, at rest at a potential.

    Yields
    ------
    tuple
        Names of the gates; the time derivatives as a function of the state, where that of the potential stands for the
        inward current in mA/cm2; and the state: the potential in mV and the gates.
    """
    with mechanisms.empty_session() as h:
        if not hasattr(h, mechanism):
            raise SimulationError(f'NEURON knows no mechanism "{mechanism}"; load it first')
        section, solver = h.Section(name="held"), h.CVode()
        section.insert(mechanism)
        for name, value in values.items():
            setattr(section, name, value)
        variable_step = bool(solver.active())
        solver.active(True)
        try:
            h.finitialize(v)
            state, rates, label = h.Vector(), h.Vector(), h.ref("")
            solver.states(state)
            names = []
            for i in range(1, len(state)):
                solver.statename(i, label, 1)
                # held.m_Ih(0.5)
                names.append(str(label[0]).split(".", 1)[1].split("(")[0])

            def evaluate(y: np.ndarray) -> np.ndarray:
                solver.f(0, h.Vector(y), rates)
                found = np.array(rates.as_numpy())
                # uF/cm2 mV/ms = 1e-3 mA/cm2
                found[0] *= 1e-3 * section.cm
                return found

            yield names, evaluate, np.array(state.as_numpy())
        finally:
            solver.active(variable_step)


def _derivative(evaluate: Callable[[np.ndarray], np.ndarray], state: np.ndarray, i: int, step: float) -> np.ndarray:
    """Derivative with respect to one variable: central differences over five points, exact for polynomials of degree four."""
    total = np.zeros_like(state)
    for offset, weight in ((-2, 1), (-1, -8), (1, 8), (2, -1)):
        moved = state.copy()
        moved[i] += offset * step
        total += weight * evaluate(moved)
    return np.asarray(total / (12 * step))


def _gates(names: Sequence[str], jacobian: np.ndarray) -> tuple[Gate, ...]:
    """What the matrix of derivatives says of the gates; the potential is its first row and column."""
    own = np.diag(jacobian)[1:]
    coupling = np.abs(jacobian[1:, 1:] - np.diag(own)) > COUPLING * np.abs(own)[:, None]
    if coupling.any():
        i, j = np.argwhere(coupling)[0]
        raise SimulationError(
            f"{names[i]} depends on {names[j]}; only mechanisms whose gates follow the potential alone have this linear form"
        )
    taus = -1 / own
    slow = -jacobian[0, 1:] * jacobian[1:, 0] * taus
    return tuple(Gate(name, float(s), float(tau)) for name, s, tau in zip(names, slow, taus, strict=True))
