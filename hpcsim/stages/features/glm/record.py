"""Where a point's spikes, current, epochs and voltage are, and how they become bins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hpcsim.errors import ResultsError, nearest
from hpcsim.outputs import Batch, Layout
from hpcsim.stages.features.glm.basis import raised_cosines
from hpcsim.stages.features.glm.cell import Cell, Settings
from hpcsim.stages.features.glm.design import MODELS, Stimulus
from hpcsim.stages.features.glm.epochs import find_epochs, halves, split
from hpcsim.stages.features.trace import voltage_trace
from hpcsim.stages.recording import EDGE, time_step

NAME = "features.glm"


@dataclass(frozen=True, eq=False)
class Record:
    """The clock of a study's records, and the options of the stage.

    Parameters
    ----------
    options : mapping
    start, step : float, ms
        Of the current.
    n_time : int
        Samples of the current.
    voltage_step : float, ms
        NaN without a voltage.
    """

    options: Mapping[str, Any]
    start: float
    step: float
    n_time: int
    voltage_step: float

    @classmethod
    def of(cls, options: Mapping[str, Any], layout: Layout) -> Record:
        """What a layout says about the outputs that the options name.

        Raises
        ------
        ResultsError
            If one of them is missing or does not fit, or options contradict each other.
        """
        spikes, current = layout[options["of"]], layout[options["current"]]
        if not spikes.ragged or spikes.unit != "ms":
            raise ResultsError(f'{NAME}: {spikes.name} is in "{spikes.unit}"; expected ragged spike times in "ms"')
        if current.ragged or len(current.dims) != 1:
            raise ResultsError(f"{NAME}: {current.name} has dimensions {current.dims}; expected its time alone")
        if current.unit != "pA":
            raise ResultsError(f'{NAME}: {current.name} is in "{current.unit}"; expected "pA"')
        if options["epochs"] and layout[options["epochs"]].dims != current.dims:
            dims = layout[options["epochs"]].dims
            raise ResultsError(
                f"{NAME}: {options['epochs']} has dimensions {dims}; expected {current.dims}, as {current.name} has"
            )
        times = layout.coordinate(current.name)
        voltage = voltage_trace(NAME, options["voltage"], layout).step if options["voltage"] else np.nan
        record = cls(options, float(times.values[0]), time_step(NAME, current.name, times), len(times), voltage)
        record._check()
        return record

    def _check(self) -> None:
        bin_, duration = self.options["bin"], self.n_time * self.step
        if abs(bin_ / self.step - self.per_bin) > 1e-6 * self.per_bin or self.per_bin < 1:
            raise ResultsError(f"{NAME}: bin is {bin_:g} ms; expected a multiple of the step of the current, {self.step:g} ms")
        for name in ("window", "history"):
            if not 2 * bin_ <= self.options[name] <= duration / 2:
                raise ResultsError(
                    f"{NAME}: {name} is {self.options[name]:g} ms; expected at least two bins of {bin_:g} ms, and at most half "
                    f"of the record, {duration / 2:g} ms"
                )
        models = self.options["models"]
        for name in models:
            if name not in MODELS:
                raise ResultsError(f'{NAME}: there is no model "{name}"; {nearest(name, MODELS)}')
        if not models or len(set(models)) < len(models):
            raise ResultsError(f"{NAME}: models is {list(models)}; expected one or more of {', '.join(MODELS)}, each once")
        if not self.options["ridge"]:
            raise ResultsError(f"{NAME}: ridge is empty; expected one or more numbers")

    @property
    def bin(self) -> float:
        """Width of a bin, ms."""
        return self.per_bin * self.step

    @property
    def per_bin(self) -> int:
        """Samples of the current in a bin."""
        return round(float(self.options["bin"]) / self.step)

    @property
    def n_bins(self) -> int:
        """A rest that does not fill a bin is left out."""
        return self.n_time // self.per_bin

    @cached_property
    def current_basis(self) -> np.ndarray:
        """Shape (n_current, lags)."""
        if self.options["models"][-1] == "instantaneous":
            return np.ones((1, 1))
        return raised_cosines(self.options["n_current"], round(self.options["window"] / self.bin))

    @cached_property
    def history_basis(self) -> np.ndarray:
        """Shape (n_history, lags)."""
        return raised_cosines(self.options["n_history"], round(self.options["history"] / self.bin))

    @property
    def has_history(self) -> bool:
        """Whether the last model has a spike-history filter."""
        return bool(self.options["models"][-1] == "history")

    @property
    def terms(self) -> list[str]:
        """Names of the coefficients of the last model."""
        n_history = len(self.history_basis) if self.has_history else 0
        return ["offset", *(f"current_{k}" for k in range(len(self.current_basis))), *(f"history_{k}" for k in range(n_history))]

    @cached_property
    def settings(self) -> Settings:
        """What is the same for all cells."""
        given = self.options
        names = ("folds", "fewest_spikes", "simulations", "runaway", "seed")
        smooth, ridges = given["smooth"] / self.bin, tuple(given["ridge"])
        return Settings(given["models"], self.history_basis, ridges, smooth=smooth, **{name: given[name] for name in names})

    def cell(self, data: Mapping[str, Batch], i: int, stimuli: dict[bytes, Stimulus]) -> Cell:
        """Spikes of one point in bins; points with the same stimulus share its predictors.

        Parameters
        ----------
        data : mapping
        i : int
            Which point of the batch.
        stimuli : dict
            Those that are known; a new one is added.
        """
        current = np.asarray(data[self.options["current"]][i], dtype=np.float64)
        labels = np.asarray(data[self.options["epochs"]][i]) if self.options["epochs"] else np.empty(0, np.int8)
        key = current.tobytes() + labels.tobytes()
        if key not in stimuli:
            stimuli[key] = self._stimulus(current, labels)
        return Cell(stimuli[key], self._counts(np.asarray(data[self.options["of"]][i], dtype=np.float64)), self.settings)

    def _stimulus(self, current: np.ndarray, labels: np.ndarray) -> Stimulus:
        if not np.isfinite(current).all():
            missing = int((~np.isfinite(current)).sum())
            raise ResultsError(
                f"{NAME}: {missing} of {len(current)} samples of the current are not finite; expected numbers in pA"
            )
        whole = self.n_bins * self.per_bin
        binned = current[:whole].reshape(self.n_bins, -1).mean(axis=1)
        numbers = labels[: whole : self.per_bin] if len(labels) else halves(self.n_bins, self.options["train_share"])
        basis = raised_cosines(self.options["n_current"], round(self.options["window"] / self.bin))
        memory = max(basis.shape[1], self.history_basis.shape[1])
        parts = split(NAME, find_epochs(NAME, numbers), binned, self.options["test"], memory)
        return Stimulus(NAME, binned, parts, basis)

    def _counts(self, times: np.ndarray) -> np.ndarray:
        """Spikes a bin."""
        since, stop = times - self.start, self.n_time * self.step
        outside = (since < -EDGE) | ~(since < stop + EDGE)
        if outside.any():
            raise ResultsError(
                f"{NAME}: {int(outside.sum())} of {len(times)} spikes, the first at {times[outside][0]:g} ms, are outside of the "
                f"record from {self.start:g} to {self.start + stop:g} ms; expected times on the clock of the current"
            )
        place = np.floor((since + EDGE) / self.bin).astype(np.int64)
        return np.bincount(np.maximum(place, 0), minlength=self.n_bins)[: self.n_bins].astype(np.float64)

    def blocked(self, data: Mapping[str, Batch], i: int) -> int:
        """Whether the membrane of a point stays depolarised; -1 where no voltage tells."""
        name = self.options["voltage"]
        if not name:
            return -1
        longest = longest_depolarisation(np.asarray(data[name][i]), self.options["block_level"])
        return int(longest * self.voltage_step >= self.options["block_time"])


def longest_depolarisation(v: np.ndarray, level: float) -> int:
    """Samples of the longest stay at or above a level without going below it.

    Examples
    --------
    >>> longest_depolarisation(np.array([-70.0, -30, -30, -70, -20]), -40)
    2
    """
    above = np.concatenate([[0], (v >= level).astype(np.int8), [0]])
    edges = np.flatnonzero(np.diff(above))
    return int((edges[1::2] - edges[::2]).max(initial=0))
