"""What a reader of a posterior must be warned of: each warning with its figure, and what helps.

Nothing is judged by what usually goes wrong, but by what is seen: truths that were held back, the network's loss on them,
and where the observations lie among the simulations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.inference.note import Note

if TYPE_CHECKING:
    from pandas import DataFrame, Index

    from hpcsim.inference.npe.diagnostics import Calibration

#: Chance of a deviation from a right posterior below which it is told.
UNLIKELY = 0.005
#: Mass outside the prior that is told, in per cent of an observation's posterior.
LEAKS = 25.0
#: How far beyond the simulations an observation is no extrapolation to speak of, in standard deviations of the feature.
NEAR = 0.25
#: How much farther from its nearest simulations than nearly all simulations are from theirs an observation is far from all.
FAR = 2.0
#: Difference between the losses on other and on its own simulations that is told: in standard errors, and in nats.
GAP_ERRORS, GAP_NATS = 3.0, 0.5

_MORE = (
    "What helps: more simulations (a longer design), an ensemble (several networks, the samples of all put together), or "
    "truncation (a prior narrowed to where the posteriors lie)."
)


def coverage_notes(found: Calibration) -> Iterator[Note]:
    """Whether truths that were held back lie in the posterior's regions as often as they should."""
    tests, covered = found.table()["p uniform"], found.covered()["covered"]
    p, n = float(tests["coverage"]), len(found.coverage)
    # nominal minus found, over levels
    excess = float(np.mean(covered.to_numpy() - covered.index.to_numpy(float)))
    levels = "/".join(f"{100 * level:.0f}" for level in covered.index)
    shares = "/".join(f"{100 * share:.0f}" for share in covered)
    text = f"its regions of {levels} % hold {shares} % of {n} truths that were held back (p = {p:.1g})."
    if p < UNLIKELY and excess < 0:
        yield Note(f"The posterior is overconfident, too narrow: {text}", "overconfident", "warning", p, _MORE)
    elif p < UNLIKELY:
        yield Note(f"The posterior is cautious, wider than it need be: {text}", "underconfident", "info", p)
    parameters = tests.drop("coverage")
    ranks = found.table()["mean rank"]
    shifted = [name for name in parameters.index if parameters[name] * len(parameters) < UNLIKELY]
    if shifted:
        some = ", ".join(f"{name} (mean rank {ranks[name]:.2f}, p = {parameters[name]:.1g})" for name in shifted[:5])
        worst = float(parameters[shifted].min())
        text = f"Truths that were held back do not rank evenly among the samples, where 0.5 is the middle: {some}."
        yield Note(text, "ranks", "warning", worst, _MORE)


def overfitting_notes(own: np.ndarray, other: np.ndarray) -> Iterator[Note]:
    """Whether the network knows the simulations that it was trained on better than others.

    Parameters
    ----------
    own, other : ndarray, shape (simulations,)
        Loss of each simulation, in nats.
    """
    own, other = own[np.isfinite(own)], other[np.isfinite(other)]
    if len(own) < 2 or len(other) < 2:
        return
    gap = float(other.mean() - own.mean())
    error = float(np.sqrt(own.var() / len(own) + other.var() / len(other)))
    if gap > max(GAP_ERRORS * error, GAP_NATS):
        text = (
            f"The network overfits: its loss is {own.mean():.2f} nats on the simulations that it was trained on, and "
            f"{other.mean():.2f} on {len(other)} others."
        )
        yield Note(text, "overfitting", "warning", gap, _MORE)


def leakage_notes(outside: np.ndarray, names: Index) -> Iterator[Note]:
    """Which observations have much of their posterior outside the prior.

    Parameters
    ----------
    outside : ndarray, shape (observations,)
        In per cent.
    names : Index, shape (observations,)
    """
    leaking = np.flatnonzero(outside >= LEAKS)
    if len(leaking):
        worst = leaking[np.argsort(-outside[leaking], kind="stable")]
        text = (
            f"The network puts {LEAKS:.0f} % or more of the posterior outside the prior at {len(leaking)} of {len(names)} "
            f"observations: {_some([f'{names[k]} {outside[k]:.0f} %' for k in worst])}. Samples are those inside."
        )
        advice = (
            "The true parameters may lie at the prior's edge or beyond it: a wider prior tells. Otherwise the network "
            "extrapolates: more simulations help, or truncation (a prior narrowed to where the posteriors lie)."
        )
        yield Note(text, "leakage", "warning", float(outside[worst[0]]), advice)


def range_notes(table: DataFrame, observations: int) -> Iterator[Note]:
    """Which observations lie outside the range of the simulations, and how far.

    Parameters
    ----------
    table : DataFrame
        Of :func:`hpcsim.inference.observations.out_of_range`.
    observations : int
    """
    beyond = table.groupby(table.index)["beyond (sd)"].max()
    far, near = beyond[beyond > NEAR], beyond[beyond <= NEAR]
    for chosen, text, kind, severity in (
        (far, "outside the range of the simulations, where the posterior is a guess", "out_of_range", "warning"),
        (near, "just outside the range of the simulations, hardly an extrapolation", "edge_of_range", "info"),
    ):
        if len(chosen):
            name = chosen.idxmax()
            rows = table[table.index == name]
            worst = rows.iloc[int(rows["beyond (sd)"].to_numpy().argmax())]
            said = (
                f"{len(chosen)} of {observations} observations ({100 * len(chosen) / observations:.1f} %) lie {text}; the worst "
                f"is {name}: {worst['feature']} is {worst['value']:.4g}, {worst['beyond (sd)']:.2g} standard deviations beyond "
                f"{worst['low']:.4g} to {worst['high']:.4g} ({worst['beyond (%)']:.2g} % of this range)."
            )
            advice = "What helps: a wider prior, or a model that reaches these values." if severity == "warning" else ""
            yield Note(said, kind, "warning" if severity == "warning" else "info", float(chosen.max()), advice)


def distance_notes(ratio: np.ndarray, names: Index, told: Sequence[object]) -> Iterator[Note]:
    """Which observations are far from all simulations though each of their features is within the range.

    Parameters
    ----------
    ratio : ndarray, shape (observations,)
        Distance to the nearest simulations over that which 99 % of the simulations have to theirs.
    names : Index, shape (observations,)
    told : sequence
        Observations that are out of the range, which was said already.
    """
    far = np.flatnonzero((ratio > FAR) & ~names.isin(list(told)))
    if len(far):
        worst = far[np.argsort(-ratio[far], kind="stable")]
        some = _some([f"{names[k]} {ratio[k]:.1f} times" for k in worst])
        text = (
            f"{len(far)} of {len(names)} observations are far from all simulations, though each feature is within the range: "
            f"{some} as far from the nearest ones as 99 % of the simulations are from theirs."
        )
        advice = "The model does not make such combinations of features, or too rarely: look at them, or simulate more."
        yield Note(text, "far", "warning", float(ratio[worst[0]]), advice)


def _some(items: Sequence[str], most: int = 5) -> str:
    return ", ".join(items[:most]) + (", ..." if len(items) > most else "")
