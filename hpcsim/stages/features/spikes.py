"""Rates, irregularity and synchrony of populations, from their spikes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.models.model import Context
from hpcsim.outputs import Batch, Layout, Output
from hpcsim.space.parameter import Parameter
from hpcsim.stages.recording import EDGE, Population, Recording, recorded, recording
from hpcsim.stages.stage import stage

#: Fewest spikes from which the irregularity of a neuron is estimated: two intervals.
FEWEST_SPIKES = 3

#: Options that say where the spikes of a network are; shared with the quality gates.
NETWORK = (
    Parameter("of", "spike_counts", description="spike counts by population and time bin"),
    Parameter("sizes_of", "population_size", description="number of neurons by population"),
    Parameter("bin", 10.0, "ms", (1e-3, None), description="width of a bin for Fano factor and correlation"),
    Parameter("sample", 1000, bounds=(2, None), description="neurons of which correlations are computed, at most"),
)


def check_network(where: str, options: Mapping[str, Any], layout: Layout) -> Recording:
    """Find out whether the outputs that are there are those of a recorded network.

    Parameters
    ----------
    where : str
        Name of the stage that asks, for messages.
    options : mapping
        With `NETWORK`.
    layout : Layout

    Returns
    -------
    Recording

    Raises
    ------
    ResultsError
        If counts, sizes or spikes are missing or have other dimensions or units, or `bin` does not fit to the counts.
    """
    network = recording(where, options["of"], layout)
    population, sizes = layout[options["of"]].dims[0], layout[options["sizes_of"]]
    if sizes.ragged or sizes.dims != (population,):
        raise ResultsError(f"{where}: {sizes.name} has dimensions {sizes.dims}; expected {population} alone, as the counts have")
    if not network.step <= options["bin"] <= network.duration / 2:
        raise ResultsError(
            f"{where}: bin is {options['bin']:g} ms; expected at least a bin of the counts ({network.step:g} ms) and at "
            f"most half of the duration ({network.duration:g} ms)"
        )
    for name in network.populations:
        for what, unit in (("spike_times", "ms"), ("spike_senders", "")):
            output = layout[f"{what}_{name}"]
            if not output.ragged:
                raise ResultsError(f"{where}: {output.name} is not ragged; expected one entry a spike")
            if output.unit != unit:
                raise ResultsError(f'{where}: {output.name} is in "{output.unit}"; expected "{unit}"')
    return network


def _declare(options: Mapping[str, Any], layout: Layout) -> Layout:
    """One number a population and feature."""
    check_network("features.spikes", options, layout)
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
    options=NETWORK,
    declare=_declare,
    source="Softky & Koch (1993) J Neurosci 13:334-350; Shadlen & Newsome (1998) J Neurosci 18:3870-3896",
)
def spikes(data: Mapping[str, Batch], options: Mapping[str, Any], context: Context) -> dict[str, Batch]:
    """Rate, irregularity and synchrony of each population.

    Parameters
    ----------
    data : mapping
        The counts that option ``of`` names, shape (n_points, n_population, n_time), spikes a bin; the numbers of
        neurons that ``sizes_of`` names, shape (n_points, n_population); and for each population P the ragged
        ``spike_times_P``, ms, and ``spike_senders_P``, the index of the neuron from 0. Spikes before or after the
        bins of the counts are left out.
    options : mapping
        As declared.
    context : Context
        Its layout tells the populations and the bins of the counts.

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
        If a spike comes from a neuron that its population does not have.
    """
    network = recording("features.spikes", options["of"], context.layout)
    n = len(data[options["of"]])
    found = [[_features(population, options) for population in recorded(data, options, network, i)] for i in range(n)]
    values = np.array(found, dtype=np.float64).reshape(n, len(network.populations), 4)
    names = ("spike_rate", "cv_isi", "fano_factor", "pairwise_correlation")
    return {name: values[..., k] for k, name in enumerate(names)}


def _features(population: Population, options: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """The four features of one population of one point."""
    times, senders, width = population.times, population.senders, options["bin"]
    binned = binned_counts(times, senders, population.size, population.duration, width, options["sample"])
    _, cv = interval_statistics(times, senders)
    return (
        population.rate,
        float(np.mean(cv)) if len(cv) else np.nan,
        _fano_factor(population.counts, round(width / population.step)),
        _mean_correlation(binned),
    )


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


def binned_counts(times: np.ndarray, senders: np.ndarray, size: int, duration: float, width: float, sample: int) -> np.ndarray:
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
    column = np.floor((times + EDGE) / width).astype(np.int64)
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
