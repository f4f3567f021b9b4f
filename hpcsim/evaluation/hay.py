"""The 41 objectives of Hay et al. (2011) PLOS Comput Biol 7: e1002107, and when a trace is one that they can be told of.

Means and standard deviations of experiments, checks and penalties are those of the published fits, as Bast et al. (2023) use them
with the groups below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from hpcsim.evaluation import hay_features
from hpcsim.evaluation.objective import Objective
from hpcsim.evaluation.recording import Recording, base

#: mV: a soma that is below it at the end of the dendritic input has repolarised.
_REPOLARISED = -55.0


@dataclass(frozen=True)
class Window:
    """When a stimulus counts, and what its trace must have.

    Parameters
    ----------
    onset, duration : float, ms
    min_spikes : int
    """

    onset: float
    duration: float
    min_spikes: int

    @property
    def latest(self) -> float:
        """A spike after it is a late one, ms."""
        return self.onset + _LATEST * self.duration


#: In durations of the stimulus: how late the last spike may be.
_LATEST = 1.05
_STEP = Window(700.0, 2000.0, 5)
WINDOWS: Mapping[str, Window] = {
    "bAP": Window(295.0, 5.0, 1),
    "BAC": Window(295.0, 45.0, 2),
    **{f"step{i}": _STEP for i in (1, 2, 3)},
}

#: Name, protocol, feature, mean, standard deviation, group.
_BURSTS: tuple[tuple[str, str, str, float, float, str], ...] = (
    ("bAP_spikecount", "bAP", "spike_count", 1.0, 0.01, "bAP_somatic_spike"),
    ("bAP_APheight", "bAP", "height", 25.0, 5.0, "bAP_somatic_spike"),
    ("bAP_APwidth", "bAP", "width", 2.0, 0.5, "bAP_somatic_spike"),
    ("bAP_att2", "bAP", "attenuation_1", 45.0, 10.0, "bAP"),
    ("bAP_att3", "bAP", "attenuation_2", 36.0, 9.33, "bAP"),
    ("BAC_ahpdepth", "BAC", "ahp_depth", -65.0, 4.0, "BAC_somatic"),
    ("BAC_APheight", "BAC", "height", 25.0, 5.0, "BAC_somatic"),
    ("BAC_ISI", "BAC", "burst_isi", 9.901, 0.8517, "BAC_somatic"),
    ("BAC_caSpike_height", "BAC", "calcium_height", 6.73, 2.54, "BAC_caSpike"),
    ("BAC_caSpike_width", "BAC", "calcium_width", 37.43, 1.27, "BAC_caSpike"),
    ("BAC_spikecount", "BAC", "spike_count", 3.0, 0.01, "BAC_spikecount"),
)
#: Name, feature, group, and mean and standard deviation of each step.
_STEPS: tuple[tuple[str, str, str, tuple[tuple[float, float], ...]], ...] = (
    ("mf", "frequency", "step_mean_frequency", ((9.0, 0.88), (14.5, 0.56), (22.5, 2.2222))),
    ("AI", "adaptation", "step_AI_ISIcv", ((0.0036, 0.0091), (0.0023, 0.0056), (0.0046, 0.0026))),
    ("ISIcv", "isi_cv", "step_AI_ISIcv", ((0.1204, 0.0321), (0.1083, 0.0368), (0.0954, 0.014))),
    ("DI", "first_isi", "step_doublet_ISI", ((57.75, 33.48), (6.625, 8.65), (5.38, 0.83))),
    ("TTFS", "latency", "step_time_to_first_spike", ((43.25, 7.32), (19.125, 7.31), (7.25, 1.0))),
    ("APh", "height", "step_AP_height", ((26.2274, 4.9703), (16.5209, 6.1127), (16.4368, 6.9322))),
    ("fAHPd", "fast_ahp_depth", "step_AHP_depth", ((-51.9511, 5.8213), (-54.1949, 5.5706), (-56.5579, 3.5834))),
    ("sAHPd", "slow_ahp_depth", "step_AHP_depth", ((-58.0443, 4.5814), (-60.5129, 4.6717), (-59.9923, 3.9247))),
    ("sAHPt", "slow_ahp_time", "step_AHP_slow_time", ((0.2376, 0.0299), (0.2787, 0.0266), (0.2131, 0.0368))),
    ("APw", "width", "step_AP_width", ((1.3077, 0.1665), (1.3833, 0.2843), (1.8647, 0.4119))),
)  # fmt: skip


def _objectives() -> Iterator[Objective]:
    for name, protocol, feature, mean, sd, group in _BURSTS:
        # a burst of two spikes has a shorter calcium spike
        shift = ("BAC_spikecount", 2.0, -7.0) if name == "BAC_caSpike_width" else None
        yield Objective(name, protocol, feature, mean, sd, group, shift=shift)
    for step in (1, 2, 3):
        for name, feature, group, targets in _STEPS:
            yield Objective(f"{name}{step}", f"step{step}", feature, *targets[step - 1], group)


OBJECTIVES: tuple[Objective, ...] = tuple(_objectives())

Check = Callable[[Recording], bool]


def _one_spike_that_attenuates(site: int) -> Check:
    def check(r: Recording) -> bool:
        soma, dendrite = hay_features.arrived(r, r.soma), hay_features.arrived(r, r.sites[site])
        return len(r.spike_times) == 1 and bool(len(soma) and len(dendrite) and soma[0] > dendrite[0])

    return check


def _short_burst(r: Recording) -> bool:
    """Two or three spikes, and a soma that has repolarised."""
    return len(r.spike_times) in (2, 3) and bool(r.soma[r.index(r.stop)] < _REPOLARISED)


def _one_calcium_spike(r: Recording) -> bool:
    return len(hay_features.calcium_events(r)[0]) == 1


def _calcium_spike_after_a_burst(r: Recording) -> bool:
    """One, whose peak is not before the second spike."""
    return _one_calcium_spike(r) and len(r.spike_times) >= 2 and bool(r.time[int(r.sites[0].argmax())] >= r.spike_times[1])


#: Of an objective, beyond that its feature exists.
CHECKS: Mapping[str, Check] = {
    "bAP_att2": _one_spike_that_attenuates(0),
    "bAP_att3": _one_spike_that_attenuates(1),
    "BAC_ISI": _short_burst,
    "BAC_caSpike_height": _calcium_spike_after_a_burst,
    "BAC_caSpike_width": _one_calcium_spike,
}

#: What may be wrong with a trace as a whole; numbers add up.
FEW_SPIKES, NO_REST, EARLY_SPIKE, LATE_SPIKE, NOT_RUN, CUT_SHORT = 1, 2, 4, 8, 16, 32
#: mV above its base: where a soma is at the end that has returned to rest.
_RESTS = 2.0


def faults(r: Recording, min_spikes: int) -> int:
    """What is wrong with a trace as a whole, a sum of `FEW_SPIKES`, `NO_REST`, `EARLY_SPIKE`, `LATE_SPIKE`; 0 if nothing.

    Of a trace that was cut short, `CUT_SHORT` and what had been wrong by then.
    """
    found, spikes = 0 if r.complete else CUT_SHORT, r.spike_times
    if len(spikes) < min_spikes:
        found += FEW_SPIKES
    if r.complete and not r.soma[-1] < base(r, r.soma) + _RESTS:
        found += NO_REST
    if len(spikes) and spikes[0] < r.onset:
        found += EARLY_SPIKE
    if len(spikes) and spikes[-1] > r.onset + _LATEST * r.duration:
        found += LATE_SPIKE
    return found


def variance(r: Recording) -> float:
    """Variance of the soma from 100 ms before the onset to the middle of the stimulus, mV2: how near a trace is to firing."""
    there = (r.time >= r.onset - 100) & (r.time <= r.onset + r.duration / 2)
    return float(np.var(r.soma[there]))
