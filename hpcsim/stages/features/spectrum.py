"""Power spectra of population spike counts as features: the density at each frequency, and its logarithm in bands."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.models.model import Context
from hpcsim.outputs import Batch, Coordinate, Layout, Output
from hpcsim.space.parameter import Parameter
from hpcsim.stages.recording import Recording, recording
from hpcsim.stages.spectra import SEGMENT, SOURCE, density, frequencies
from hpcsim.stages.stage import stage

FREQUENCY, BAND = "frequency", "frequency_band"


def _declare(options: Mapping[str, Any], layout: Layout) -> Layout:
    """Two outputs a population, so that each value has the name of its population and frequency."""
    network = recording("features.spectrum", str(options["of"]), layout)
    kept = _kept(options, network)
    parts = _parts(options, kept)
    coordinates = {FREQUENCY: Coordinate(kept, "Hz")}
    outputs = [
        Output(f"psd_{name}", (FREQUENCY,), "1/Hz", description=f"power spectral density of the spike counts of {name}")
        for name in network.populations
    ]
    if parts:
        coordinates[BAND] = Coordinate(np.array([part.mean() for part in parts]), "Hz")
        outputs += [
            Output(f"log_psd_{name}", (BAND,), description=f"log10 of the mean of psd_{name} in bands, given by their middles")
            for name in network.populations
        ]
    return Layout.of(outputs, coordinates)


@stage(
    "features.spectrum",
    options=[
        Parameter("of", "spike_counts", description="spike counts by population and time bin"),
        Parameter("segment", SEGMENT, bounds=(8, None), description="samples of a segment of Welch's method", source=SOURCE),
        Parameter("highest", 200.0, "Hz", (1e-3, None), description="higher frequencies are left out", source=SOURCE),
        Parameter("bands", 0, bounds=(0, None), description="bands of equal width above 0 Hz of which log10 is given; 0: none"),
    ],
    declare=_declare,
    engine="scipy",
    requires=("scipy",),
    source=SOURCE,
)
def spectrum(data: Mapping[str, Batch], options: Mapping[str, Any], context: Context) -> dict[str, Batch]:
    """Power spectral density of the spike counts of each population, by Welch's method.

    Parameters
    ----------
    data : mapping
        The counts that option ``of`` names, shape (n_points, n_population, n_time), spikes a bin.
    options : mapping
        As declared.
    context : Context
        Its layout tells the populations and the bins of the counts.

    Returns
    -------
    dict of str to ndarray
        For each population X ``psd_X``, shape (n_points, n_frequency), 1/Hz; and with bands ``log_psd_X``, shape
        (n_points, n_band): NaN where a band has no power, as in a population that is silent.
    """
    network = recording("features.spectrum", str(options["of"]), context.layout)
    counts = np.asarray(data[str(options["of"])], dtype=np.float64)
    kept = _kept(options, network)
    found = density(counts, network.step, int(options["segment"]))[..., : len(kept)]
    outputs: dict[str, Batch] = {f"psd_{name}": found[:, i] for i, name in enumerate(network.populations)}
    if parts := _parts(options, kept):
        ends = np.cumsum([1, *map(len, parts)])
        power = np.stack([found[..., a:b].mean(axis=-1) for a, b in pairwise(ends)], axis=-1)
        logarithm = np.log10(power, out=np.full_like(power, np.nan), where=power > 0)
        outputs |= {f"log_psd_{name}": logarithm[:, i] for i, name in enumerate(network.populations)}
    return outputs


def _kept(options: Mapping[str, Any], network: Recording) -> np.ndarray:
    """Frequencies up to the highest, Hz."""
    every = frequencies(network.n_bins, network.step, int(options["segment"]))
    return np.asarray(every[every <= options["highest"]])


def _parts(options: Mapping[str, Any], kept: np.ndarray) -> list[np.ndarray]:
    """Frequencies above 0 of each band, Hz; bands differ by one frequency at most."""
    bands, n = int(options["bands"]), len(kept) - 1
    if bands > n:
        raise ResultsError(
            f"features.spectrum: {bands} bands are asked for, and there are {n} frequencies above 0 and up to "
            f"{options['highest']:g} Hz; use a longer segment (and recording), or fewer bands"
        )
    return np.array_split(kept[1:], bands) if bands else []
