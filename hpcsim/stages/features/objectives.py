"""Objectives of a neuron under protocols: raw values, standard deviations, and the largest of each group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np

from hpcsim.errors import ResultsError, nearest
from hpcsim.evaluation import bluepyopt, hay
from hpcsim.evaluation.objective import Objective, checked
from hpcsim.evaluation.raw import Raw, measure, protocols_of, stacked
from hpcsim.evaluation.recording import Recording
from hpcsim.evaluation.score import deviations, group_maxima, groups_of
from hpcsim.models.model import Context
from hpcsim.outputs import Batch, Coordinate, Layout, Output
from hpcsim.space.parameter import Parameter
from hpcsim.stages.features.trace import VoltageTrace
from hpcsim.stages.recording import time_step
from hpcsim.stages.stage import Options, Stage, StageFields

HAY = "hay2011"
#: Prefixes of the outputs of a protocol: the soma, and places on the trunk.
SOMA, TRUNK = "soma_", "trunk_"
_PROTOCOLS = Parameter("protocols", ("",)[:0], description="those that count; none: all that run")
#: How many places on the trunk a feature needs.
_PLACES = {"attenuation_1": 1, "attenuation_2": 2, "calcium_height": 1, "calcium_width": 1}


def objectives_stage(
    name: str, table: Sequence[Objective], windows: Mapping[str, hay.Window], **more: Unpack[StageFields]
) -> Stage:
    """A stage with objectives of your own.

    Parameters
    ----------
    name : str
    table : sequence of Objective
        Such as those of :func:`hpcsim.evaluation.bluepyopt.read`.
    windows : mapping of str to Window
        When the stimulus of each protocol counts.
    **more
        As of :class:`~hpcsim.stages.stage.Stage`: ``files``, what it was made of.

    Raises
    ------
    StudyError
        If an objective has no mean or standard deviation, or an unknown feature.
    """
    own = checked(table, name)

    def declare(options: Options, layout: Layout) -> Layout:
        return _declared(name, _chosen(name, own, options["protocols"], layout), windows, layout)

    def apply(data: Mapping[str, Batch], options: Options, context: Context) -> dict[str, Batch]:
        return _applied(_chosen(name, own, options["protocols"], context.layout), windows, data, context)

    more.setdefault("description", "Objectives of a neuron under protocols, raw and in standard deviations")
    return Stage(name, "1", (_PROTOCOLS,), declare, apply, **more)


_NAME = "features.objectives"
_FAULTS = "1 few spikes, 2 no rest, 4 early, 8 late spike, 16 not run, 32 cut short since it had failed"
_OPTIONS = (
    Parameter("table", HAY, description="hay2011, or a JSON file of features with means and standard deviations"),
    Parameter("checksum", "", description="sha256:... of the file: results then know which one it was"),
    _PROTOCOLS,
    Parameter("onset", 0.0, "ms", (0, None), (), "begin of the stimuli of your own table; of hay2011 they are known"),
    Parameter("duration", 0.0, "ms", (0, None), (), "of the stimuli of your own table"),
    Parameter("min_spikes", 1, bounds=(0, None), description="fewest spikes of a trace that counts, of your own table"),
)


def _declare(options: Options, layout: Layout) -> Layout:
    table, windows = _given(options)
    return _declared(_NAME, _chosen(_NAME, table, options["protocols"], layout), windows, layout)


def _apply(data: Mapping[str, Batch], options: Options, context: Context) -> dict[str, Batch]:
    table, windows = _given(options)
    return _applied(_chosen(_NAME, table, options["protocols"], context.layout), windows, data, context)


#: For each protocol X it takes ``soma_X``, shape (n_points, n_time), mV, and ``trunk_X``, shape (n_points, n_site, n_time), mV,
#: where it is recorded; a protocol that did not run is NaN. ``objective_values``, ``_count``, ``_passed`` and what begins with
#: ``protocol_`` are what other means, standard deviations, cutoffs and groups need (``inference.rescore``).
objectives = Stage(
    _NAME,
    "1",
    _OPTIONS,
    _declare,
    _apply,
    source="Hay et al. (2011) PLOS Comput Biol 7: e1002107",
    description="Objectives of a neuron under protocols, raw and in standard deviations",
)


def _given(options: Options) -> tuple[tuple[Objective, ...], Mapping[str, hay.Window]]:
    """The published objectives, or those of a file; results know which file it was."""
    path: Any = options["table"]
    if path == HAY:
        return hay.OBJECTIVES, hay.WINDOWS
    onset, duration, fewest, checksum = (options[key] for key in ("onset", "duration", "min_spikes", "checksum"))
    if not checksum:
        raise ResultsError(f'{_NAME}: the table {path} has no checksum; set checksum = "{bluepyopt.checksum_of(path)}"')
    table = bluepyopt.read(path, str(checksum))
    if not duration:
        raise ResultsError(f"{_NAME}: {path} does not say when stimuli are; give onset and duration")
    window: Any = hay.Window(onset, duration, fewest)  # type: ignore[arg-type]
    return table, dict.fromkeys(protocols_of(table), window)


def _chosen(where: str, table: Sequence[Objective], protocols: Any, layout: Layout) -> tuple[Objective, ...]:
    """Objectives about protocols that run in the study, or about those that are named.

    Raises
    ------
    ResultsError
        If none of them runs, or one that is named does not.
    """
    known = protocols_of(table)
    # what does not run has one sample
    ran = [name for name in known if SOMA + name in layout and len(layout.coordinate(SOMA + name)) > 1]
    for name in protocols:
        if name not in known:
            raise ResultsError(f'{where}: protocols: no objective is about "{name}"; {nearest(name, known)}')
        if name not in ran:
            raise ResultsError(f'{where}: protocols: "{name}" does not run in this study; add it to its parameter protocols')
    chosen = protocols or ran
    if not chosen:
        made = [name.removeprefix(SOMA) for name in layout.outputs if name.startswith(SOMA)]
        raise ResultsError(
            f"{where}: objectives are about the protocols {', '.join(known)}, and none of them runs in this study; it has "
            f"{', '.join(made) or 'none'}: expected outputs such as {SOMA}{known[0]}"
        )
    return tuple(objective for objective in table if objective.protocol in chosen)


def _declared(where: str, table: tuple[Objective, ...], windows: Mapping[str, hay.Window], layout: Layout) -> Layout:
    for name in protocols_of(table):
        _check_traces(where, name, table, windows[name], layout)
    coordinates = {
        "objective": Coordinate(np.array([objective.name for objective in table])),
        "objective_group": Coordinate(np.array(groups_of(table))),
        "objective_protocol": Coordinate(np.array(protocols_of(table))),
    }
    one, protocol = ("objective",), ("objective_protocol",)
    outputs = [
        Output("objective_raw", one, description="mean of the raw values of each objective, in the unit of its feature"),
        Output("objective_sd", one, description="distance from the mean of the experiments, in standard deviations"),
        Output("objective_max", ("objective_group",), description="largest of each group, in standard deviations"),
        Output("objective_worst", description="largest of all, in standard deviations"),
        Output("objective_passed", one, "", "int64", description="1 where the checks of the objective are met"),
        Output("objective_count", one, "", "int64", description="how many raw values there are"),
        Output("objective_values", ("objective_value",), ragged=True, description="all raw values, objective after objective"),
        Output(
            "protocol_fault",
            protocol,
            "",
            "int64",
            description=_FAULTS,
        ),
        Output("protocol_penalty", protocol, description="standard deviations of all its objectives; 0 where they count"),
    ]
    return Layout.of(outputs, coordinates)


def _applied(
    table: tuple[Objective, ...], windows: Mapping[str, hay.Window], data: Mapping[str, Batch], context: Context
) -> dict[str, Batch]:
    names = protocols_of(table)
    times = {name: np.asarray(context.layout.coordinate(SOMA + name).values, float) for name in names}
    n, rows = len(data[SOMA + names[0]]), []
    for row in range(n):
        context.progress(row / n)
        rows.append(measure(table, {name: _recording(name, data, row, times[name], windows[name]) for name in names}, windows))
    return _outputs(table, stacked(rows) if rows else _nothing(table))


def _outputs(table: tuple[Objective, ...], raw: Raw) -> dict[str, Batch]:
    deviation = deviations(table, raw)
    return {
        "objective_raw": raw.means,
        "objective_sd": deviation,
        "objective_max": group_maxima(table, deviation),
        "objective_worst": deviation.max(axis=1),
        "objective_passed": raw.passed.astype(np.int64),
        "objective_count": raw.count.astype(np.int64),
        "objective_values": list(raw.values),
        "protocol_fault": raw.fault.astype(np.int64),
        "protocol_penalty": raw.penalty.astype(np.float64),
    }


def _nothing(table: tuple[Objective, ...]) -> Raw:
    one, protocol = (0, len(table)), (0, len(protocols_of(table)))
    return Raw([], np.zeros(one, int), np.zeros(one, bool), np.zeros(protocol), np.zeros(protocol, int))


def _recording(name: str, data: Mapping[str, Batch], row: int, time: np.ndarray, window: hay.Window) -> Recording | None:
    """One trace; None where the protocol did not run. One that was cut short is NaN from there on."""
    soma = np.asarray(data[SOMA + name][row], float)
    there = len(soma) if np.isfinite(soma[-1:]).all() else int(np.isfinite(soma).sum())
    if not there or not np.isfinite(soma[:there]).all():
        return None
    sites = np.asarray(data[TRUNK + name][row], float) if TRUNK + name in data else np.empty((0, len(soma)))
    return Recording(time[:there], soma[:there], sites[:, :there], window.onset, window.duration, there == len(soma))


def _check_traces(where: str, name: str, table: tuple[Objective, ...], window: hay.Window, layout: Layout) -> None:
    """Refuse traces that do not hold the stimulus, or too few places."""
    times = layout.coordinate(SOMA + name)
    trace = VoltageTrace(len(times), time_step(where, SOMA + name, times), float(times.values[0]))
    trace.check_stimulus(where, window.onset, window.onset + window.duration)
    needed = max(_places(objective) for objective in table if objective.protocol == name)
    there = len(layout.coordinate(TRUNK + name, 0)) if TRUNK + name in layout else 0
    if there < needed:
        raise ResultsError(
            f"{where}: objectives of {name} need {needed} places on the apical trunk, and {TRUNK}{name} has {there}; let the "
            "protocol measure them"
        )


def _places(objective: Objective) -> int:
    if objective.location.startswith("site_"):
        return int(objective.location.removeprefix("site_"))
    return _PLACES.get(objective.feature, 0)
