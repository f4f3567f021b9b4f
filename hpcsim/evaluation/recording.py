"""What was recorded of a neuron under one stimulus, and where its potentials cross a threshold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

#: mV: a soma that crosses it upwards spikes (Hay et al. (2011) PLOS Comput Biol 7: e1002107).
SPIKE = -30.0


@dataclass(frozen=True, eq=False)
class Recording:
    """Potentials under one stimulus, evenly sampled.

    Parameters
    ----------
    time : ndarray, ms
        Shape (n_time,).
    soma : ndarray, mV
        Shape (n_time,).
    sites : ndarray, mV
        Shape (n_site, n_time), along the apical dendrite.
    onset, duration : float, ms
        When the stimulus begins, and how long it counts.
    complete : bool
        Whether it was recorded to its end; one that has failed before may be cut short there.
    """

    time: np.ndarray
    soma: np.ndarray
    sites: np.ndarray
    onset: float
    duration: float
    complete: bool = True

    @property
    def stop(self) -> float:
        """End of the stimulus, ms."""
        return self.onset + self.duration

    @cached_property
    def spikes(self) -> tuple[np.ndarray, np.ndarray]:
        """Samples where the soma crosses `SPIKE` upwards and downwards."""
        return crossings(self.soma, SPIKE)

    @cached_property
    def spike_times(self) -> np.ndarray:
        """Upward crossings of the soma, ms."""
        return np.asarray(self.time[self.spikes[0]])

    def index(self, time: float) -> int:
        """First sample at a time (ms) or after it."""
        return int(np.searchsorted(self.time, time))


def crossings(v: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Samples behind upward and behind downward crossings.

    Parameters
    ----------
    v : ndarray, mV
        Shape (n_time,).
    threshold : float, mV

    Returns
    -------
    tuple of ndarray of int
        The first downward crossing is that of the first upward one; the last event may have no end.

    Examples
    --------
    >>> up, down = crossings(np.array([0.0, -80, 20, 30, -70, 40]), -30.0)
    >>> up.tolist(), down.tolist()
    ([2, 5], [4])
    """
    above = v > threshold
    up = np.flatnonzero(~above[:-1] & above[1:]) + 1
    down = np.flatnonzero(above[:-1] & ~above[1:]) + 1
    return up, down[down > up[0]] if len(up) else down[:0]


def peaks(v: np.ndarray, events: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Highest potential of each event that has an end, mV."""
    return np.array([v[start:stop].max() for start, stop in zip(*events, strict=False)])


def base(recording: Recording, v: np.ndarray) -> float:
    """Mean potential in the third quarter of the time before the stimulus, mV."""
    return float(v[recording.index(0.5 * recording.onset) : recording.index(0.75 * recording.onset) + 1].mean())
