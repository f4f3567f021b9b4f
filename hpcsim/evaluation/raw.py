"""Raw values of objectives: what is kept of a simulation, so that it can be scored again against other targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hpcsim.evaluation import hay
from hpcsim.evaluation.hay_features import FEATURES
from hpcsim.evaluation.objective import Objective
from hpcsim.evaluation.recording import Recording

#: Objectives that are none, in standard deviations. A failed trace is between `FAILED` and `LARGEST`, by how little it varies.
LARGEST, FAILED, UNCHECKED = 250.0, 75.0, 20.0
_PER_VARIANCE = 0.1


@dataclass(frozen=True, eq=False)
class Raw:
    """Raw values of many simulations.

    Parameters
    ----------
    values : sequence of ndarray
        Length n. All values of all objectives of a simulation, objective after objective.
    count : ndarray of int
        Shape (n, n_objective): how many of them belong to each.
    passed : ndarray of bool
        Shape (n, n_objective): whether the checks of the objective are met; false where it has no value.
    penalty : ndarray
        Shape (n, n_protocol): what all objectives of a protocol are, in standard deviations, since its trace has failed or it did
        not run; 0 where it counts.
    fault : ndarray of int
        Shape (n, n_protocol): why, as in :mod:`hpcsim.evaluation.hay`.
    """

    values: Sequence[np.ndarray]
    count: np.ndarray
    passed: np.ndarray
    penalty: np.ndarray
    fault: np.ndarray

    @property
    def means(self) -> np.ndarray:
        """Mean value of each objective, shape (n, n_objective); NaN without any."""
        flat, starts = flattened(self.values, self.count)
        total = np.add.reduceat(np.append(flat, 0.0), starts).reshape(self.count.shape)
        return np.where(self.count > 0, total / np.maximum(self.count, 1), np.nan)


def flattened(values: Sequence[np.ndarray], count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All values in a row, and where each group of them begins, for ``np.add.reduceat``."""
    flat = np.concatenate([np.empty(0), *values])
    return flat, np.concatenate([[0], np.cumsum(count.ravel())[:-1]]).astype(int) if count.size else np.zeros(0, int)


def protocols_of(objectives: Sequence[Objective]) -> tuple[str, ...]:
    """Their protocols, in order."""
    return tuple(dict.fromkeys(objective.protocol for objective in objectives))


def measure(
    objectives: Sequence[Objective], recordings: Mapping[str, Recording | None], windows: Mapping[str, hay.Window]
) -> Raw:
    """Raw values of one simulation.

    Parameters
    ----------
    objectives : sequence of Objective
    recordings : mapping of str to Recording or None
        By protocol; None where it did not run.
    windows : mapping of str to Window
        By protocol.

    Returns
    -------
    Raw
        Of one row.
    """
    found = [_of(objective, recordings[objective.protocol]) for objective in objectives]
    count = np.array([[len(values) for values in found]])
    passed = [
        bool(len(values)) and _passes(objective, recordings[objective.protocol])
        for objective, values in zip(objectives, found, strict=True)
    ]
    fault, penalty = [], []
    for protocol in protocols_of(objectives):
        recording = recordings[protocol]
        wrong = hay.NOT_RUN if recording is None else hay.faults(recording, windows[protocol].min_spikes)
        fault.append(wrong)
        penalty.append(0.0 if not wrong else _penalty(recording))
    return Raw([np.concatenate(found)], count, np.array([passed]), np.array([penalty]), np.array([fault]))


def stacked(rows: Sequence[Raw]) -> Raw:
    """Several simulations as one."""
    return Raw(
        [values for row in rows for values in row.values],
        np.concatenate([row.count for row in rows]),
        np.concatenate([row.passed for row in rows]),
        np.concatenate([row.penalty for row in rows]),
        np.concatenate([row.fault for row in rows]),
    )


def _of(objective: Objective, recording: Recording | None) -> np.ndarray:
    # what was cut short would have other values at its end
    if recording is None or not recording.complete:
        return np.empty(0)
    if objective.library == "efel":
        from hpcsim.evaluation.efel_features import values

        return values(objective, recording)
    found = FEATURES[objective.feature](recording)
    return np.asarray(found[np.isfinite(found)], float)


def _passes(objective: Objective, recording: Recording | None) -> bool:
    check = hay.CHECKS.get(objective.name) if objective.library == "hay" else None
    return recording is not None and (check is None or check(recording))


def _penalty(recording: Recording | None) -> float:
    return LARGEST if recording is None else max(FAILED, LARGEST - _PER_VARIANCE * hay.variance(recording))
