"""Linear forms of active mechanisms, derived from what NEURON computes: frozen, and quasi-active.

A mechanism with gates x_k gives a membrane the current I(v, x) with dx_k/dt = F_k(v, x_k). Around a holding potential v_0
at which its gates are steady, to first order (a quasi-active membrane: Koch (1984) Biol Cybern 50:15-33),

    I = I_0 + g (v - v_0) + sum_k s_k X_k,    dX_k/dt = (v - v_0 - X_k) / tau_k

with g = dI/dv at fixed gates, tau_k = -1 / (dF_k/dx_k), and s_k = dI/dx_k * dF_k/dv * tau_k. Frozen, all X_k stay 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.errors import SimulationError
from hpcsim.models.neuron.nmodl import mechanisms, quasi_active

#: mV: step of derivatives with respect to the potential, far below the 6 mV over which rates change.
V_STEP = 0.02
#: Step of derivatives with respect to a gate, relative to its value; they are exact for currents up to its fourth power.
GATE_STEP = 0.05
#: Relative step of the concentrations on which a mechanism may depend.
CONCENTRATION_STEP = 0.01
#: Concentrations inside a neuron, as NEURON calls them.
CONCENTRATIONS = ("cai", "nai", "ki", "cli")
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
    concentrations : tuple of str
        On which the mechanism depends, such as ``cai``; the expansion holds at those that were given.
    """

    mechanism: str
    v: float
    current: float
    g: float
    gates: tuple[Gate, ...]
    concentrations: tuple[str, ...] = ()

    def scaled(self, factor: float) -> Expansion:
        """The same at another peak conductance, to which current and conductances are in proportion."""
        gates = tuple(replace(gate, slow=factor * gate.slow) for gate in self.gates)
        return replace(self, current=factor * self.current, g=factor * self.g, gates=gates)


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
        Attributes of the section that the mechanism reads, such as ``{"gbar_NaTa_t": 2.04, "ena": 50}``; concentrations, too.

    Returns
    -------
    Expansion

    Raises
    ------
    SimulationError
        If NEURON does not know the mechanism, holds sections of somebody else, gates depend on each other, or the mechanism
        changes a concentration, which couples all mechanisms that read it.
    """
    with _held(mechanism, v, values) as (names, evaluate, state, concentrations):
        changed = [name for name in names if name in CONCENTRATIONS]
        if changed:
            raise SimulationError(
                f"{mechanism} changes {', '.join(changed)} and has no linear form of its own; leave it out, and give the "
                f"mechanisms that read {', '.join(changed)} its value at the holding potential"
            )
        base = evaluate(state)
        steps = np.where(state == 0, GATE_STEP, GATE_STEP * np.abs(state))
        steps[0] = V_STEP
        jacobian = np.array([_derivative(evaluate, state, i, step) for i, step in enumerate(steps)]).T
    return Expansion(mechanism, v, float(-base[0]), float(-jacobian[0, 0]), _gates(names, jacobian), concentrations)


def insert(place: Any, expansions: Sequence[Expansion], cache: Path, *, frozen: bool = False, rest: float | None = None) -> None:
    """Give a section, or a segment of it, the sum of some mechanisms around their holding potential.

    Parameters
    ----------
    place : nrn.Section or nrn.Segment
        Of a segment, the section gets the mechanisms, and the segment the numbers.
    expansions : sequence of Expansion
        All at the same holding potential.
    cache : Path
        Where compiled mechanisms are kept.
    frozen : bool
        Gates stay as they are at the holding potential; otherwise they follow the potential to first order.
    rest : float, optional, mV
        The resting potential: the holding potential unless another one is given, from which deviations then count.

    Raises
    ------
    SimulationError
        If the holding potentials differ, or gates shall follow and one depends on a concentration, which would not.
    """
    driven = [expansion for expansion in expansions if expansion.concentrations and expansion.gates]
    if driven and not frozen:
        raise SimulationError(
            f"{driven[0].mechanism} depends on {', '.join(driven[0].concentrations)}, which follows the currents of other "
            "mechanisms and has no linear form here; freeze the gates, or leave this mechanism out"
        )
    potentials = sorted({expansion.v for expansion in expansions})
    if len(potentials) != 1:
        raise SimulationError(f"expansions are around the potentials {potentials} mV; expected one potential for all of them")
    rest = potentials[0] if rest is None else rest
    section = getattr(place, "sec", place)
    section.insert("pas")
    place.g_pas = sum(expansion.g for expansion in expansions)
    place.e_pas = rest
    gates = [] if frozen else [gate for expansion in expansions for gate in expansion.gates]
    if not gates:
        return
    file = quasi_active.source(len(gates), cache)
    mechanisms.load([file], cache)
    section.insert(file.stem)
    setattr(place, f"vrest_{file.stem}", rest)
    for k, gate in enumerate(gates):
        setattr(place, f"slow{k}_{file.stem}", gate.slow)
        setattr(place, f"tau{k}_{file.stem}", gate.tau)


@contextmanager
def _held(
    mechanism: str, v: float, values: Mapping[str, float]
) -> Iterator[tuple[list[str], Callable[[np.ndarray], np.ndarray], np.ndarray, tuple[str, ...]]]:
    """A single compartment with one mechanism, at rest at a potential.

    Yields
    ------
    tuple
        Names of the gates; the time derivatives as a function of the state, where that of the potential stands for the
        inward current in mA/cm2; the state: the potential in mV and the gates; and the concentrations that matter.
    """
    with mechanisms.empty_session() as h:
        if not hasattr(h, mechanism):
            raise SimulationError(f'NEURON knows no mechanism "{mechanism}"; load it first')
        section, solver = h.Section(name="held"), h.CVode()
        section.insert(mechanism)
        # the ends of a section carry no membrane: through a low resistance, the rounding of their potential would be a current
        section.Ra = 1e9
        for name, value in values.items():
            setattr(section, name, value)
        variable_step = bool(solver.active())
        solver.active(True)
        try:
            h.finitialize(v)
            state, rates = h.Vector(), h.Vector()
            solver.states(state)
            names = _state_names(h, mechanism, solver, len(state) - 1)

            def evaluate(y: np.ndarray) -> np.ndarray:
                solver.f(0, h.Vector(y), rates)
                found = np.array(rates.as_numpy())
                # uF/cm2 mV/ms = 1e-3 mA/cm2
                found[0] *= 1e-3 * section.cm
                return found

            rest = np.array(state.as_numpy())
            yield names, evaluate, rest, tuple(_influences(section, evaluate, rest))
        finally:
            solver.active(variable_step)


def _state_names(h: Any, mechanism: str, solver: Any, n: int) -> list[str]:
    """Names of the states of a mechanism, in the order of the solver."""
    label, declared = h.ref(""), h.MechanismStandard(mechanism, 3)
    names = []
    for i in range(int(declared.count())):
        declared.name(label, i)
        names.append(str(label[0]))
    # what is left are concentrations. NEURON looks for their names among all that is alive, and was seen to crash there after
    # many networks in one process: only where there is no other way
    for i in range(1 + len(names), 1 + n):
        solver.statename(i, label, 1)
        # held.cai(0.5)
        names.append(str(label[0]).split(".", 1)[1].split("(")[0])
    return names


def _influences(section: Any, evaluate: Callable[[np.ndarray], np.ndarray], state: np.ndarray) -> Iterator[str]:
    """Concentrations whose change changes a derivative."""
    for name in CONCENTRATIONS:
        value = getattr(section, name, 0.0)
        if not value:
            continue
        before = evaluate(state)
        setattr(section, name, value * (1 + CONCENTRATION_STEP))
        after = evaluate(state)
        setattr(section, name, value)
        if not np.array_equal(before, after):
            yield name


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
