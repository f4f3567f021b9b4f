"""Rates, irregularity and synchrony of populations, from their spikes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.models.model import Context
from hpcsim.outputs import Batch, Layout, Output
from hpcsim.space.parameter import Parameter
from hpcsim.stages.stage import stage

#: Fewest spikes from which the irregularity of a neuron is estimated: two intervals.
FEWEST_SPIKES = 3

#: Options that say how the spikes of a network are laid out; shared with the quality gates.
LAYOUT = (
    Parameter("of", "spike_counts", description="spike counts by population and time bin"),
    Parameter("populations", ("E", "I"), description="names of the populations, in the order of the counts"),
    Parameter("sizes", (8192.0, 1024.0), description="number of neurons of each",
              source="Hagen et al. (2022) PLOS Comput Biol 18(9): e1010353"),
    Parameter("dt", 2.0**-4, "ms", (1e-6, None), description="width of a bin of the counts"),
    Parameter("bin", 10.0, "ms", (1e-3, None), description="width of a bin for Fano factor and correlation"),
    Parameter("sample", 1000, bounds=(2, None), description="neurons of which correlations are computed, at most"),
)


def check_layout(stage_name: str, options: Mapping[str, Any], layout: Layout) -> None:
    """Find what does not fit between the options `LAYOUT` and the outputs that are there.

    Parameters
    ----------
    stage_name : str
        For messages.
    options : mapping
        With `LAYOUT`.
    layout : Layout

    Raises
    ------
    ResultsError
        If counts or spikes are missing, or their populations or time step are others than the options say.
    """
    counts = layout[options["of"]]
    if counts.ragged or len(counts.dims) != 2:
        raise ResultsError(f"{stage_name}: {counts.name} has dimensions {counts.dims}; expected population and time")
    populations, time = (layout.coordinates[dim] for dim in counts.dims)
    names = tuple(str(name) for name in populations.values)
    if names != tuple(options["populations"]) or len(names) != len(options["sizes"]):
        raise ResultsError(
            f"{stage_name}: the counts have the populations {', '.join(names)}; found populations = "
            f"{options['populations']} and sizes = {options['sizes']}; give both for each of them"
        )
    dt = options["dt"]
    if time.unit != "ms" or len(time) < 2 or not np.allclose(np.diff(time.values), dt, rtol=1e-6, atol=0):
        raise ResultsError(f"{stage_name}: option dt is {dt:g} ms, which is not the width of the bins of {counts.name}")
    if not dt <= options["bin"] <= len(time) * dt / 2:
        raise ResultsError(
            f"{stage_name}: bin is {options['bin']:g} ms; expected at least dt ({dt:g} ms) and at most half of the "
            f"duration ({len(time) * dt:g} ms)"
        )
    for name in names:
        for what in ("spike_times", "spike_senders"):
            if not layout[f"{what}_{name}"].ragged:
                raise ResultsError(f"{stage_name}: {what}_{name} is not ragged; expected one entry a spike")


def _declare(options: Mapping[str, Any], layout: Layout) -> Layout:
    """One number a population and feature."""
    check_layout("features.spikes", options, layout)
    population = layout[options["of"]].dims[0]
    outputs = [
        Output("spike_rate", (population,), "1/s", description="spikes per neuron and second"),
        Output("cv_isi", (population,), description="mean coefficient of variation of interspike intervals"),
        Output("fano_factor", (population,), description="variance over mean of the binned population count"),
        Output("pairwise_correlation", (population,), description="mean correlation of binned counts of two neurons"),
    ]
    return Layout.of(outputs, {population: layout.coordinates[population]})


@stage(
    "features.spikes",
    options=LAYOUT,
    declare=_declare,
    source="Softky & Koch (1993) J Neurosci 13:334-350; Shadlen & Newsome (1998) J Neurosci 18:3870-3896",
)
def spikes(data: Mapping[str, Batch], options: Mapping[str, Any], context: Context) -> dict[str, Batch]:
    """Rate, irregularity and synchrony of each population.

    Parameters
    ----------
    data : mapping
        ``spike_counts``, shape (n_points, n_population, n_time), spikes a bin of dt; and for each population P the
        ragged ``spike_times_P``, ms, and ``spike_senders_P``, the index of the neuron from 0.
    options : mapping
        As declared.
    context : Context
        Not used.

    Returns
    -------
    dict of str to ndarray
        Each of shape (n_points, n_population):

        - ``spike_rate``, 1/s: spikes over neurons and duration.
        - ``cv_isi``: standard deviation over mean of the interspike intervals of a neuron, averaged over the
          neurons with at least three spikes; NaN without any.
        - ``fano_factor``: variance over mean of the population's spike count in bins of `bin`; 1 if all neurons
          were independent Poisson processes; NaN without spikes.
        - ``pairwise_correlation``: Pearson correlation of the counts in bins of `bin`, averaged over all pairs of
          `sample` evenly chosen neurons whose counts vary; NaN with less than two of them.

    Raises
    ------
    ResultsError
        If a spike comes from a neuron outside `sizes`.
    """
    del context
    counts = np.asarray(data[options["of"]])
    found = [[_population(data, options, counts[i], i, p) for p in range(counts.shape[1])] for i in range(len(counts))]
    values = np.array(found, dtype=np.float64).reshape(len(counts), counts.shape[1], 4)
    names = ("spike_rate", "cv_isi", "fano_factor", "pairwise_correlation")
    return {name: values[..., k] for k, name in enumerate(names)}


def _population(
    data: Mapping[str, Batch], options: Mapping[str, Any], counts: np.ndarray, i: int, p: int
) -> tuple[float, float, float, float]:
    """The four features of one population of one point."""
    size = int(options["sizes"][p])
    times, senders = point_spikes(data, options["populations"][p], i, size)
    seconds = counts.shape[1] * options["dt"] / 1000
    start = recording_start(times, counts[p], options["dt"])
    binned = binned_counts(times - start, senders, size, seconds * 1000, options["bin"], options["sample"])
    _, cv = interval_statistics(times, senders)
    return (
        float(counts[p].sum()) / size / seconds,
        float(np.mean(cv)) if len(cv) else np.nan,
        _fano_factor(counts[p], round(options["bin"] / options["dt"])),
        _mean_correlation(binned),
    )


def point_spikes(data: Mapping[str, Batch], population: str, i: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Spikes of a population at one point.

    Parameters
    ----------
    data : mapping
    population : str
    i : int
        Which point of the batch.
    size : int
        Number of neurons.

    Returns
    -------
    times, senders : ndarray
        Shape (n_spike,); ms, and indices from 0.

    Raises
    ------
    ResultsError
        If a spike comes from a neuron that the population does not have.
    """
    times = np.asarray(data[f"spike_times_{population}"][i], dtype=np.float64)
    senders = np.asarray(data[f"spike_senders_{population}"][i], dtype=np.int64)
    if len(senders) and not 0 <= senders.min() <= senders.max() < size:
        raise ResultsError(
            f"spikes of population {population} come from neurons {senders.min()} to {senders.max()}, and it has "
            f"{size}; set option sizes to the sizes of the populations"
        )
    return times, senders


def recording_start(times: np.ndarray, counts: np.ndarray, dt: float) -> float:
    """When the first bin began, from the first spike and its bin.

    Parameters
    ----------
    times : ndarray
        Spike times of a population, ms.
    counts : ndarray
        Its counts in bins of `dt`.
    dt : float, ms

    Returns
    -------
    float
        ms; 0 without spikes.
    """
    if not len(times) or not counts.any():
        return 0.0
    return float(times.min() - np.argmax(counts > 0) * dt)


def interval_statistics(times: np.ndarray, senders: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Interspike intervals of the neurons with at least three spikes.

    Parameters
    ----------
    times, senders : ndarray
        Shape (n_spike,), in any order; ms, and indices.

    Returns
    -------
    mean, cv : ndarray
        Shape (n_usable,): mean interval of a neuron, ms, and its standard deviation over its mean.
    """
    order = np.lexsort((times, senders))
    times, senders = times[order], senders[order]
    same = senders[1:] == senders[:-1]
    intervals, owners = np.diff(times)[same], senders[1:][same]
    _, owner, n = np.unique(owners, return_inverse=True, return_counts=True)
    mean = np.bincount(owner, intervals) / n
    variance = np.bincount(owner, (intervals - mean[owner]) ** 2) / n
    usable = (n >= FEWEST_SPIKES - 1) & (mean > 0)
    return mean[usable], np.sqrt(variance[usable]) / mean[usable]


def binned_counts(
    times: np.ndarray, senders: np.ndarray, size: int, duration: float, width: float, sample: int
) -> np.ndarray:
    """Spike counts of evenly chosen neurons; those whose counts do not vary are left out.

    Parameters
    ----------
    times, senders : ndarray
        Shape (n_spike,); ms from the start of the recording, and indices.
    size : int
        Number of neurons.
    duration, width : float, ms
        Of the recording, and of a bin; a rest that does not fill a bin is left out.
    sample : int
        How many neurons to choose, at most.

    Returns
    -------
    ndarray
        Shape (n_usable, n_bin).
    """
    n_bins = int(duration / width + 1e-9)
    chosen = np.linspace(0, size - 1, min(sample, size)).round().astype(np.int64)
    row = np.full(size, -1)
    row[chosen] = np.arange(len(chosen))
    # spikes lie on the grid of dt: half of a nanosecond guards the edges of bins against rounding
    column = np.floor((times + 5e-7) / width).astype(np.int64)
    inside = (row[senders] >= 0) & (column >= 0) & (column < n_bins)
    flat = row[senders][inside] * n_bins + column[inside]
    counts = np.bincount(flat, minlength=len(chosen) * n_bins).reshape(len(chosen), n_bins)
    varying = counts.min(axis=1) != counts.max(axis=1) if n_bins else np.zeros(len(chosen), bool)
    return np.asarray(counts[varying])


def standardised(counts: np.ndarray) -> np.ndarray:
    """Rows of mean 0 and of length 1, so that a product of two rows is their Pearson correlation.

    Parameters
    ----------
    counts : ndarray
        Shape (n_usable, n_bin); no row is constant.

    Returns
    -------
    ndarray
        The same shape.
    """
    centred = counts - counts.mean(axis=1, keepdims=True)
    return np.asarray(centred / np.linalg.norm(centred, axis=1, keepdims=True))


def _mean_correlation(counts: np.ndarray) -> float:
    """Mean over all pairs of different neurons, without computing each."""
    n = len(counts)
    if n < 2:
        return float("nan")
    # the squared length of the sum of all rows holds every pair twice, and n times the correlation with itself
    total = standardised(counts).sum(axis=0)
    return float((total @ total - n) / (n * (n - 1)))


def _fano_factor(counts: np.ndarray, factor: int) -> float:
    """Variance over mean of counts that are summed by `factor` bins."""
    n = len(counts) // factor
    binned = counts[: n * factor].reshape(n, factor).sum(axis=1)
    mean = binned.mean()
    return float(binned.var() / mean) if mean else float("nan")
