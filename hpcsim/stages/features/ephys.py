"""Electrophysiological statistics of a voltage trace under a current step."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.models.model import Context
from hpcsim.outputs import Batch, Coordinate, Layout, Output
from hpcsim.space.parameter import Parameter
from hpcsim.stages.features.trace import VoltageTrace, voltage_trace
from hpcsim.stages.stage import stage

if TYPE_CHECKING:
    from hpcsim.stages.features.spike_detection import Sweep

NAME = "features.ephys"
#: Raised whenever an equal trace may give other statistics; tables of observations carry it.
VERSION = "1"

#: Names of the statistics in the published order, and the names that Bernaerts et al. 2025 give them.
STATISTICS: dict[str, str] = {
    "ap_threshold": "AP threshold",
    "ap_amplitude": "AP amplitude",
    "ap_width": "AP width",
    "ap_ahp": "AHP",
    "ap3_threshold": "3rd AP threshold",
    "ap3_amplitude": "3rd AP amplitude",
    "ap3_width": "3rd AP width",
    "ap3_ahp": "3rd AHP",
    "log_count": "AP count",
    "log_count_eighth": "AP count 1st 8th",
    "log_count_quarter": "AP count 1st quarter",
    "log_count_half": "AP count 1st half",
    "log_count_second_half": "AP count 2nd half",
    "log_amplitude_adaptation": "AP amp adapt",
    "mean_amplitude_adaptation": "AP average amp adapt",
    "log_amplitude_cv": "AP CV",
    "log_isi_adaptation": "ISI adapt",
    "log_isi_cv": "ISI CV",
    "log_latency": "latency",
    "v_rest": "rest Vm mean",
    "v_mean": "Vm mean",
    "v_variance": "Vm std",
    "v_skewness": "Vm skewness",
}

PUBLISHED, CORRECTED = "bernaerts2025", "default"
#: Longest time from threshold to peak, ms (Gouwens et al. 2019, doi:10.1038/s41593-019-0417-0).
LONGEST_RISE = 5.0
# a grid point is found again in spite of the rounding of times, in samples
_EDGE = 1e-6
# seconds between two reports of progress
_EVERY = 1.0
# samples: the filter continues a trace by 15 of its own
_FEWEST = 20

_SOURCE = "Bernaerts et al. (2025); Gouwens et al. (2019) Nat Neurosci 22:1182-1195"
OPTIONS = (
    Parameter("of", "v", description="the voltage trace"),
    Parameter("name", "ephys", description="name of the output"),
    Parameter("definition", CORRECTED, choices=(CORRECTED, PUBLISHED), description="mended, or as published with its quirks"),
    Parameter("start", 100.0, "ms", description="begin of the current step", source=_SOURCE),
    Parameter("stop", 700.0, "ms", description="end of the current step", source=_SOURCE),
    Parameter(
        "third_from",
        0,
        bounds=(0, None),
        description="fewest action potentials for features of the third; 0: 5 as published (its V1 protocol: 3), 3 mended",
    ),
    Parameter("rest_after", False, description="take the rest after the step as well, as published for recordings"),
    Parameter("cutoff", 10.0, "kHz", (1e-3, None), description="of the low-pass filter of the slope", source=_SOURCE),
    Parameter("onset", 20.0, "mV/ms", (0.0, None), description="slope that an upstroke crosses", source=_SOURCE),
    Parameter("lowest_peak", -30.0, "mV", description="of an action potential", source=_SOURCE),
    Parameter("least_height", 2.0, "mV", (0.0, None), description="from the crossing to the peak", source=_SOURCE),
)


@dataclass(frozen=True)
class Extractor:
    """Computes the statistics of voltage traces of one length and sampling rate.

    Parameters
    ----------
    trace : VoltageTrace
    options : mapping
        With `OPTIONS`; ``start`` and ``stop`` on the clock of the trace.

    Raises
    ------
    ResultsError
        If the stimulus is not inside of the trace, or the filter does not fit to the sampling rate.
    """

    trace: VoltageTrace
    options: Mapping[str, Any]

    def __post_init__(self) -> None:
        start, stop, cutoff, step = self.options["start"], self.options["stop"], self.options["cutoff"], self.trace.step
        self.trace.check_stimulus(NAME, start, stop)
        if 2 * cutoff * step >= 1:
            raise ResultsError(
                f"{NAME}: the traces have a sample every {step:g} ms; expected less than {1 / (2 * cutoff):g} ms for "
                f"the filter of {cutoff:g} kHz: record more often, or lower cutoff"
            )
        if (stop - start) / step < _FEWEST:
            raise ResultsError(f"{NAME}: the stimulus lasts {stop - start:g} ms; expected at least {_FEWEST} samples")

    @property
    def sweep(self) -> Sweep:
        """The stimulus in samples."""
        from hpcsim.stages.features.spike_detection import Sweep

        start, stop = self.options["start"], self.options["stop"]
        parts = (start + (stop - start) / part for part in (8, 4, 2))
        inside, after = (math.floor(self._position(at) + _EDGE) + 1 for at in (start, stop))
        return Sweep(self.trace.step, self._at(start), self._at(stop), inside, after, *map(self._at, parts))

    def _position(self, at: float) -> float:
        return (at - self.trace.first) / self.trace.step

    def _at(self, at: float) -> int:
        """First sample at or after a time."""
        return math.ceil(self._position(at) - _EDGE)

    def __call__(self, v: np.ndarray, context: Context | None = None) -> np.ndarray:
        """Compute the statistics.

        Parameters
        ----------
        v : ndarray
            Shape (n, n_time), mV.
        context : Context, optional
            Is told how far it is.

        Returns
        -------
        ndarray of float64
            Shape (n, 23).
        """
        from hpcsim.stages.features.ephys_statistics import Definition, statistics
        from hpcsim.stages.features.spike_detection import Criteria
        from hpcsim.stages.features.zero_phase import bessel

        options, published = self.options, self.options["definition"] == PUBLISHED
        rise = math.ceil(LONGEST_RISE / self.trace.step - _EDGE)
        criteria = Criteria(options["onset"], options["lowest_peak"], options["least_height"], rise, published)
        definition = Definition(max(3, options["third_from"] or (5 if published else 3)), options["rest_after"])
        sweep, design = self.sweep, bessel(options["cutoff"], self.trace.step)
        values, told = np.empty((len(v), len(STATISTICS))), time.monotonic()
        for k, trace in enumerate(v):
            values[k] = statistics(np.ascontiguousarray(trace, np.float64), sweep, criteria, definition, design)
            if context is not None and time.monotonic() - told > _EVERY:
                context.progress(k / len(v))
                told = time.monotonic()
        return values


def _extractor(options: Mapping[str, Any], layout: Layout) -> Extractor:
    return Extractor(voltage_trace(NAME, options["of"], layout), options)


def _declare(options: Mapping[str, Any], layout: Layout) -> Layout:
    """A number a statistic, and whether all are finite."""
    _extractor(options, layout)
    outputs = [
        Output(options["name"], ("ephys_feature",), description=f"electrophysiological statistics of {options['of']}"),
        Output("valid", dtype="int8", description="1 where all statistics are finite"),
    ]
    return Layout.of(outputs, {"ephys_feature": Coordinate(np.array(list(STATISTICS)))})


def _prepare(options: Mapping[str, Any], context: Context) -> None:
    """Compile once, before tasks would do it side by side."""
    extractor = _extractor(options, context.layout)
    extractor(np.sin(np.arange(float(extractor.trace.n_time)))[np.newaxis])


@stage(
    NAME,
    version=VERSION,
    options=OPTIONS,
    declare=_declare,
    engine="numba",
    extra="brian2",
    requires=("numba",),
    prepare=_prepare,
    source=_SOURCE,
)
def ephys(data: Mapping[str, Batch], options: Mapping[str, Any], context: Context) -> dict[str, Batch]:
    """The 23 statistics of a voltage trace under a current step.

    Parameters
    ----------
    data : mapping
        The trace that option ``of`` names: shape (n_points, n_time), mV.
    options : mapping
        As declared. ``definition = "bernaerts2025"`` gives the published statistics; the default differs in this:

        - the features of the third action potential count from three action potentials on. As published they need
          five, since a logarithm is compared with the number two (in the V1 protocol they need three);
        - the downstroke of the action potential before a clipped one is searched up to the clipped one. As published
          it is searched up to the end of the step, and may be found in the clipped one.

        In both, ``v_variance`` is what is published as "Vm std" (it is a variance); times are counted in samples, so
        that a rise of exactly 5 ms is too long and equal intervals have no logarithm of their variation, where the
        published code depends on how times are rounded; and a logarithm of zero is NaN, where it is published as minus
        infinity. The rest is the mean before the step, as published for simulations; the published observations
        take it before and after the step (``rest_after = true``).
    context : Context
        Its layout tells the times.

    Returns
    -------
    dict of str to ndarray
        ``ephys``, or what option ``name`` says: shape (n_points, 23); NaN where a statistic is not defined, and in all of a
        trace that is constant or not finite. The published names are in `STATISTICS`.

        - ``ap_threshold``, ``ap_amplitude``, ``ap_ahp`` (mV) and ``ap_width`` (ms, at half amplitude) of the first
          action potential, and ``ap3_...`` of the third;
        - ``log_count``, ``log_count_eighth``, ``log_count_quarter``, ``log_count_half``, ``log_count_second_half``:
          ln(n + 3) of the action potentials in all and in these first parts of the step;
        - ``log_amplitude_adaptation``: ln(second over first amplitude); ``mean_amplitude_adaptation``: sigmoid of 50 times
          the mean ratio of successive amplitudes less 1; ``log_amplitude_cv``: ln of their coefficient of variation;
        - ``log_isi_adaptation`` and ``log_isi_cv``: the first and the last of these of interspike intervals;
        - ``log_latency``: ln(ms from the step's begin to the first threshold + 0.4);
        - ``v_rest`` (mV): mean before the step; ``v_mean`` (mV), ``v_variance`` (mV²) and ``v_skewness`` during it.

        ``valid``: shape (n_points,), 1 where all 23 are finite.
    """
    values = _extractor(options, context.layout)(np.asarray(data[options["of"]]), context)
    return {options["name"]: values, "valid": np.isfinite(values).all(axis=1).astype(np.int8)}
