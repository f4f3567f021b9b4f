"""Any neuron whose parameters are fitted: built from values, run under protocols, stopped early."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, Unpack

import numpy as np

from hpcsim.errors import SimulationError, nearest
from hpcsim.evaluation.objective import Objective, checked
from hpcsim.evaluation.raw import measure, protocols_of
from hpcsim.evaluation.recording import Recording
from hpcsim.evaluation.score import deviations
from hpcsim.models.model import Context, Model, ModelFields
from hpcsim.models.neuron.l5pc.protocols import Bench, CellProtocol, named
from hpcsim.models.neuron.l5pc.simulation import Integrator, integrating, run, samples
from hpcsim.models.neuron.morphology.cell import Cell
from hpcsim.models.neuron.nmodl import mechanisms
from hpcsim.outputs import Coordinate, Output
from hpcsim.space.parameter import Parameter
from hpcsim.space.points import Point

T = TypeVar("T")
#: How time goes on, which every such model lets a study say.
INTEGRATION: tuple[Parameter, ...] = (
    Parameter("integrator", "cvode", choices=("cvode", "fixed"), description="variable steps, or steps of dt"),
    Parameter("atol", 1e-3, "", (1e-12, 1), (), "absolute tolerance of cvode, in the units of its states", "NEURON's default"),
    Parameter("rtol", 0.0, "", (0, 0.1), (), "relative tolerance of cvode", "NEURON's default"),
    Parameter("dt", 0.025, "ms", (1e-4, 1), (), "time step of the fixed integrator"),
)
_CUTOFFS = Parameter(
    "cutoffs",
    (0.0,)[:0],
    description="standard deviations, one number a protocol: the next one runs only if no objective of this one is beyond, and a "
    "run ends where its trace has failed; none: all run to their end",
)


def _no_problem(values: Mapping[str, Any]) -> str:
    del values
    return ""


@dataclass(frozen=True, eq=False)
class FittedCell:
    """A neuron and its protocols; :meth:`model` makes a model of it.

    Parameters
    ----------
    name : str
        Of the model.
    build : callable
        From values of the parameters to the neuron.
    parameters : tuple of Parameter
        Its own; ``protocols``, ``cutoffs`` and those of the integrator come on top.
    protocols : tuple of CellProtocol
    objectives : tuple of Objective
        By which a protocol is judged before the next one runs, where a study sets ``cutoffs``.
    run : tuple of str
        Protocols that run unless a study says others; all of them by default.
    needed : tuple of str or Path
        Mechanisms by name, or files of the user's own. Exp2SynI is always there.
    v_init : float, mV
    celsius : float
    check : callable
        From values to why they make no sense together, or "".

    Raises
    ------
    SimulationError
        If there is no protocol, two have one name, or an objective is of no protocol.
    StudyError
        If an objective has no mean or standard deviation, or a feature that does not exist.
    """

    name: str
    build: Callable[[Mapping[str, Any]], Cell]
    parameters: tuple[Parameter, ...]
    protocols: tuple[CellProtocol, ...]
    objectives: tuple[Objective, ...] = ()
    run: tuple[str, ...] = ()
    needed: tuple[str | Path, ...] = ()
    v_init: float = -75.0
    celsius: float = 34.0
    check: Callable[[Mapping[str, Any]], str] = _no_problem

    def __post_init__(self) -> None:
        if not self.protocols or len(self._by_name) < len(self.protocols):
            found = ", ".join(protocol.name for protocol in self.protocols) or "none"
            raise SimulationError(f"{self.name}: found the protocols {found}; expected at least one, and each name once")
        named(self._by_name, self.run)
        if self.objectives:
            checked(self.objectives, self.name)
        for protocol in protocols_of(self.objectives):
            if protocol not in self._by_name:
                hint = nearest(protocol, self._by_name)
                raise SimulationError(f'{self.name}: objectives are about the protocol "{protocol}", which is not there; {hint}')

    @cached_property
    def _by_name(self) -> dict[str, CellProtocol]:
        return {protocol.name: protocol for protocol in self.protocols}

    @cached_property
    def mechanisms(self) -> tuple[str | Path, ...]:
        """All that it needs."""
        return tuple(dict.fromkeys([*self.needed, "Exp2SynI"]))

    def model(self, version: str = "1", **more: Unpack[ModelFields]) -> Model:
        """The model.

        For each protocol X it gives ``soma_X`` and, where more places are measured, ``trunk_X``, mV, every 0.025 ms; NaN where
        an earlier protocol was beyond its cutoff, or from where a run that had failed was cut short. A protocol that a study
        does not name has its first sample alone.

        Parameters
        ----------
        version, **more
            As of :class:`Model`.
        """
        default = self.run or tuple(self._by_name)
        words = f"those that run, in this order, of {', '.join(self._by_name)}"
        own = (*self.parameters, Parameter("protocols", default, description=words), _CUTOFFS, *INTEGRATION)
        more.setdefault("engine", "neuron")
        more.setdefault("extra", "neuron")
        more.setdefault("requires", ("neuron",))
        more["coordinates"], more["check"] = self._coordinates, self._problem
        more["identity"], more["prepare"] = self._identity, self._prepare
        return Model(self.name, version, own, tuple(self._outputs()), self._simulate, **more)

    def _outputs(self) -> list[Output]:
        found = []
        for name, protocol in self._by_name.items():
            found.append(Output(f"soma_{name}", (f"time_{name}",), "mV", description=f"soma under {name}"))
            if protocol.sites:
                words = f"places on the apical trunk under {name}"
                found.append(Output(f"trunk_{name}", (f"site_{name}", f"time_{name}"), "mV", description=words))
        return found

    def _coordinates(self, values: Mapping[str, Any]) -> dict[str, Coordinate]:
        found = {}
        for name, protocol in self._by_name.items():
            # what does not run in a study has one sample there
            found[f"time_{name}"] = Coordinate(samples(protocol.tstop)[: None if name in values["protocols"] else 1], "ms")
            if protocol.sites:
                found[f"site_{name}"] = Coordinate(np.array([str(site) for site in protocol.sites]))
        return found

    def _problem(self, values: Mapping[str, Any]) -> str:
        names, cutoffs = values["protocols"], values["cutoffs"]
        try:
            named(self._by_name, names)
        except SimulationError as error:
            return f"protocols: {error}"
        if not names or len(set(names)) < len(names):
            return f"protocols: found {list(names)}; expected at least one, and each once"
        if cutoffs and len(cutoffs) != len(names):
            return f"cutoffs has {len(cutoffs)} numbers and protocols {len(names)} names; expected one each, or none to run all"
        if cutoffs and not self.objectives:
            return f"cutoffs are given, and {self.name} has no objectives to compare with them"
        return self.check(values)

    def _identity(self) -> Mapping[str, str]:
        return mechanisms.identity(self.mechanisms)

    def _prepare(self, context: Context) -> None:
        mechanisms.library(self.mechanisms, context.cache)

    def _simulate(self, point: Point, context: Context) -> dict[str, Any]:
        recordings = self.recordings(point.values, context)
        outputs = {}
        for name, protocol in self._by_name.items():
            recording = recordings.get(name)
            if recording is not None:
                rest = ((0, 0), (0, len(samples(protocol.tstop)) - len(recording.time)))
                places = np.concatenate([recording.soma[None], recording.sites])
                whole = np.pad(places, rest, constant_values=np.nan)
                soma, trunk = whole[0], whole[1:]
            else:
                # the start alone of what does not run in the study; nothing of what an early stop left out
                runs = name in point["protocols"]
                soma = np.full(len(samples(protocol.tstop)) if runs else 1, np.nan if runs else self.v_init)
                trunk = np.tile(soma, (len(protocol.sites), 1))
            outputs[f"soma_{name}"] = soma
            if protocol.sites:
                outputs[f"trunk_{name}"] = trunk
        return outputs

    def recordings(self, values: Mapping[str, Any], context: Context) -> dict[str, Recording]:
        """What the protocols of a point give, by name; those after one that is beyond its cutoff are not there.

        Raises
        ------
        SimulationError
            If the neuron cannot be built, NEURON holds sections of somebody else, or the trunk does not reach a site.
        """
        chosen, early = named(self._by_name, values["protocols"]), bool(values["cutoffs"])

        def run_all(bench: Bench, solver: Any, integrator: Integrator) -> dict[str, Recording]:
            found: dict[str, Recording] = {}
            for place, protocol in enumerate(chosen):
                context.progress(place / len(chosen))
                # without an objective that it fails, all of its trace is wanted
                scored = any(objective.protocol == protocol.name for objective in self.objectives)
                recording = run(bench, protocol, solver, integrator, self.v_init, cut_short=early and scored)
                found[protocol.name] = recording
                if early and self._worst(recording, protocol) > values["cutoffs"][place]:
                    break
            return found

        return self.on_the_bench(values, context, run_all)

    def on_the_bench(self, values: Mapping[str, Any], context: Context, work: Callable[[Bench, Any, Integrator], T]) -> T:
        """What `work` gives of the neuron, built in an empty NEURON; it gets the solver and how time goes on, too.

        Raises
        ------
        SimulationError
            If the neuron cannot be built, or NEURON holds sections of somebody else.
        """
        cell = self.build(values)
        fixed = values["integrator"] == "fixed"
        integrator = Integrator(dt=values["dt"]) if fixed else Integrator(0.0, values["atol"], values["rtol"])
        mechanisms.load(self.mechanisms, context.cache)
        with mechanisms.empty_session() as h:
            sections, points = cell.create(h)
            cell.activate(h, sections)
            bench = Bench(h, cell, points, values)
            with integrating(h, integrator, self.celsius) as solver:
                found = work(bench, solver, integrator)
            # NEURON's objects go before its sections
            del bench, points, sections
        return found

    def _worst(self, recording: Recording, protocol: CellProtocol) -> float:
        """Largest deviation of a protocol; 0 where it has no objectives."""
        about = [objective for objective in self.objectives if objective.protocol == protocol.name]
        if not about:
            return 0.0
        raw = measure(about, {protocol.name: recording}, {protocol.name: protocol.window})
        return float(deviations(about, raw).max())
