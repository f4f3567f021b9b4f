"""All models of one cell: fitted, tested on held-out epochs, and simulated again."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hpcsim.stages.features.glm.ceiling import correlation, noise_ceiling, smooth
from hpcsim.stages.features.glm.design import Design, Stimulus
from hpcsim.stages.features.glm.epochs import Epoch, alike
from hpcsim.stages.features.glm.newton import HIGHEST, Fit
from hpcsim.stages.features.glm.rescaling import ks_test, rescaled_intervals
from hpcsim.stages.features.glm.scores import scores
from hpcsim.stages.features.glm.separation import separated
from hpcsim.stages.features.glm.simulation import Simulated, simulate
from hpcsim.stages.features.glm.validation import folds, validate

PARTS = ("train", "test")
SCORES = ("log_likelihood", "bits_per_spike", "mcfadden", "cohen")
#: One number a model.
NUMBERS = ("ks_distance", "ks_p", "ridge", "iterations", "converged", "separated", "rate_error", "runaways", "correlation")
#: Fewest spikes that a run must have to be a runaway.
_FEWEST_RUNAWAY = 20


@dataclass(frozen=True, eq=False)
class Settings:
    """What is the same for all cells.

    Parameters
    ----------
    models : sequence of str
        Of `design.MODELS`.
    history : ndarray, shape (n_history, lags)
        Basis of the spike-history filter.
    ridges : sequence of float
    folds : int
        Of the cross-validation.
    fewest_spikes : int
        Cells with fewer in the training epochs are silent.
    simulations : int
        Of each test epoch.
    runaway : float
        Times the spikes of the cell from which a run counts as a runaway.
    smooth : float
        Standard deviation of the Gaussian that makes rates of spikes, bins.
    seed : int
    """

    models: Sequence[str]
    history: np.ndarray
    ridges: Sequence[float]
    folds: int
    fewest_spikes: int
    simulations: int
    runaway: float
    smooth: float
    seed: int


class Cell:
    """Spikes of one cell under a stimulus.

    Parameters
    ----------
    stimulus : Stimulus
    counts : ndarray of float, shape (n_bins,)
    settings : Settings
    """

    def __init__(self, stimulus: Stimulus, counts: np.ndarray, settings: Settings) -> None:
        self.stimulus, self.counts, self.settings = stimulus, counts, settings
        self.spikes = np.array([stimulus.split.select(part, counts).sum() for part in PARTS])

    @property
    def silent(self) -> bool:
        """Whether there are too few spikes to fit."""
        return bool(self.spikes[0] < self.settings.fewest_spikes)

    @property
    def repeats(self) -> tuple[Epoch, ...]:
        """Held-out epochs with one and the same stimulus: that of the last."""
        held = self.stimulus.split.test
        return alike(held, self.stimulus.current, held[-1])

    def responses(self) -> np.ndarray:
        """Smoothed spikes of the repeats, shape (n_repeats, n)."""
        memory = self.stimulus.split.memory
        return smooth(np.array([self.counts[epoch.usable(memory)] for epoch in self.repeats]), self.settings.smooth)

    def ceiling(self) -> float:
        """Largest correlation that a model can have with the mean response to the repeats."""
        return noise_ceiling(self.responses())

    def fit(self, model: str) -> FittedModel:
        """Fit one of the models to the training epochs."""
        stimulus, settings = self.stimulus, self.settings
        parts = [stimulus.instantaneous if model == "instantaneous" else stimulus.filtered]
        if model == "history":
            parts.append(stimulus.history(self.counts, settings.history))
        design = Design(parts)
        predictors, counts = design.select(stimulus.split.slices("train")), stimulus.split.select("train", self.counts)
        blocks = folds(stimulus.split.pieces(stimulus.current), settings.folds, stimulus.split.memory)
        fit, chosen = validate(predictors, counts, settings.ridges, blocks)
        coef, errors = design.unscale(fit.coef, fit.covariance)
        log_rates = np.minimum(design.log_rates(fit.coef), HIGHEST)
        return FittedModel(
            self, model, fit, settings.ridges[chosen], separated(predictors, counts), coef, errors, np.exp(log_rates)
        )

    def random(self, model: str) -> np.random.Generator:
        """Random numbers that follow from the spikes, so that a cell's numbers do not depend on its company."""
        return np.random.default_rng([self.settings.seed, zlib.crc32(self.counts.tobytes()), zlib.crc32(model.encode())])


@dataclass(frozen=True, eq=False)
class FittedModel:
    """A fit, and what it says about held-out epochs.

    Parameters
    ----------
    cell : Cell
    model : str
    fit : Fit
    ridge : float
    separated : bool
    coef, errors : ndarray, shape (p,)
        In units of the predictors, and their standard errors; the first is the log of the expected count in a bin.
    rates : ndarray, shape (n_bins,)
        Expected counts, given the spikes that the cell had.
    """

    cell: Cell
    model: str
    fit: Fit
    ridge: float
    separated: bool
    coef: np.ndarray
    errors: np.ndarray
    rates: np.ndarray

    def scores(self) -> np.ndarray:
        """`SCORES` of both parts, shape (n_scores, 2)."""
        split, counts = self.cell.stimulus.split, self.cell.counts
        null = float(split.select("train", counts).mean())
        found = [scores(split.select(part, counts), split.select(part, self.rates), null) for part in PARTS]
        return np.array([[part[name] for part in found] for name in SCORES])

    def numbers(self) -> dict[str, float]:
        """`NUMBERS`."""
        cell = self.cell
        random = cell.random(self.model)
        pieces = [(cell.counts[piece], self.rates[piece]) for piece in cell.stimulus.split.slices("test")]
        distance, p = ks_test(rescaled_intervals(pieces, random))
        simulated = self.simulate(random)
        rate_error, runaways, agreement = self._agreement(simulated)
        values = (
            distance,
            p,
            self.ridge,
            self.fit.iterations,
            self.fit.converged,
            self.separated,
            rate_error,
            runaways,
            agreement,
        )
        return dict(zip(NUMBERS, map(float, values), strict=True))

    def simulate(self, random: np.random.Generator) -> dict[int, list[Simulated]]:
        """Runs of each held-out epoch, by its number; the spikes before its usable bins are those of the cell."""
        cell, settings = self.cell, self.cell.settings
        history = self.coef[1 + len(cell.stimulus.basis) :] @ settings.history if self.model == "history" else np.empty(0)
        drive = self._drive()
        rate = cell.stimulus.split.select("train", cell.counts).mean()
        runs: dict[int, list[Simulated]] = {}
        for epoch in cell.stimulus.split.test:
            bins = epoch.usable(cell.stimulus.split.memory)
            before = np.flatnonzero(cell.counts[epoch.first : bins.start]) + epoch.first - bins.start
            expected = max(cell.counts[bins].sum(), rate * (bins.stop - bins.start), _FEWEST_RUNAWAY / settings.runaway)
            most = int(settings.runaway * expected)
            runs[epoch.number] = [simulate(drive[bins], history, before, most, random) for _ in range(settings.simulations)]
        return runs

    def _drive(self) -> np.ndarray:
        """Log of the expected counts without spike history."""
        stimulus = self.cell.stimulus
        part = stimulus.instantaneous if self.model == "instantaneous" else stimulus.filtered
        own = self.coef[1 : 1 + len(part.mean)]
        drive: np.ndarray = self.coef[0] + (own * part.spread) @ part.rows + own @ part.mean
        return drive

    def _agreement(self, runs: dict[int, list[Simulated]]) -> tuple[float, float, float]:
        """Relative error of the rate, share of runaways, correlation with the mean response; of runs that did not run away."""
        every = [run for several in runs.values() for run in several]
        if not every:
            return np.nan, np.nan, np.nan
        runaways = float(np.mean([run.runaway for run in every]))
        kept = {number: [run for run in several if not run.runaway] for number, several in runs.items()}
        if not all(kept.values()):
            return np.nan, runaways, np.nan
        expected = sum(float(np.mean([len(run.spikes) for run in several])) for several in kept.values())
        observed = float(self.cell.spikes[1])
        rate_error = expected / observed - 1 if observed else np.nan
        rates = [run.rates for epoch in self.cell.repeats for run in kept[epoch.number]]
        prediction = smooth(np.mean(rates, axis=0), self.cell.settings.smooth)
        return rate_error, runaways, correlation(prediction, self.cell.responses())
