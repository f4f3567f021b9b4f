"""From raw values to standard deviations, and to the largest of each group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hpcsim.errors import Problem, StudyError, nearest
from hpcsim.evaluation.objective import Objective
from hpcsim.evaluation.raw import LARGEST, UNCHECKED, Raw, flattened, protocols_of

#: Of a deviation beyond `LARGEST`, so that it stays below those of failed traces.
_TOO_LARGE = 0.75


def deviations(objectives: Sequence[Objective], raw: Raw) -> np.ndarray:
    """How far each objective is from its mean: mean distance of its values, in standard deviations.

    20 where its checks are not met; the penalty of the protocol where its trace has failed or it did not run; 187.5 beyond 250.

    Parameters
    ----------
    objectives : sequence of Objective
        Those that were measured, with any means and standard deviations.
    raw : Raw

    Returns
    -------
    ndarray
        Shape (n, n_objective).
    """
    flat, starts = flattened(raw.values, raw.count)
    names = [objective.name for objective in objectives]
    first = np.append(flat, np.nan)[starts].reshape(raw.count.shape)
    means = np.tile([objective.mean for objective in objectives], (len(raw.count), 1)).astype(float)
    for place, objective in enumerate(objectives):
        if objective.shift is not None and objective.shift[0] in names:
            other, value, by = objective.shift
            means[first[:, names.index(other)] == value, place] += by
    distance = np.abs(flat - np.repeat(means.ravel(), raw.count.ravel()))
    # a group without a value takes the first of the next one here, and is not looked at
    total = np.add.reduceat(np.append(distance, 0.0), starts).reshape(raw.count.shape)
    sds = np.array([objective.sd for objective in objectives])
    found = total / np.maximum(raw.count, 1) / sds
    found = np.where(raw.passed & (raw.count > 0), found, UNCHECKED)
    found = np.where(found > LARGEST, _TOO_LARGE * LARGEST, found)
    protocols = protocols_of(objectives)
    penalty = raw.penalty[:, [protocols.index(objective.protocol) for objective in objectives]]
    return np.asarray(np.where(penalty > 0, penalty, found))


def groups_of(objectives: Sequence[Objective]) -> tuple[str, ...]:
    """Their groups, in order."""
    return tuple(dict.fromkeys(objective.group for objective in objectives))


def group_maxima(objectives: Sequence[Objective], deviation: np.ndarray) -> np.ndarray:
    """Largest deviation of each group.

    Parameters
    ----------
    objectives : sequence of Objective
    deviation : ndarray
        Shape (n, n_objective).

    Returns
    -------
    ndarray
        Shape (n, n_group), in the order of :func:`groups_of`.
    """
    own = np.array([objective.group for objective in objectives])
    return np.stack([deviation[:, own == group].max(axis=1) for group in groups_of(objectives)], axis=1)


def accepted(objectives: Sequence[Objective], deviation: np.ndarray, cutoffs: Mapping[str, float]) -> np.ndarray:
    """Whether each protocol stays within its cutoff.

    Parameters
    ----------
    objectives : sequence of Objective
    deviation : ndarray
        Shape (n, n_objective).
    cutoffs : mapping of str to float
        Standard deviations, by protocol; one for all of them by the name ``all``.

    Returns
    -------
    ndarray of bool
        Shape (n,).

    Raises
    ------
    StudyError
        If a protocol has no cutoff, or there is no such protocol.
    """
    protocols = protocols_of(objectives)
    wrong = [Problem(f"cutoffs.{name}", "there is no such protocol", nearest(name, protocols)) for name in cutoffs
             if name not in (*protocols, "all")]  # fmt: skip
    missing = [Problem(f"cutoffs.{name}", "there is none", "give one, or all = 3.2") for name in protocols
               if name not in cutoffs and "all" not in cutoffs]  # fmt: skip
    if wrong or missing:
        raise StudyError([*wrong, *missing], "cutoffs")
    limits = np.array([cutoffs.get(objective.protocol, cutoffs.get("all", np.nan)) for objective in objectives])
    return np.asarray((deviation <= limits).all(axis=1))
