"""The LIF network with NEST's generator and with neurons that draw their own input: CPU time, and statistics over seeds.

Both ways take turns, seed after seed, in one process on one thread. CPU is that of building, of simulating, and of reading the
recorders. Of each quantity it prints the mean over the seeds of both, and their difference in standard errors.

``python benchmarks/nest_input.py [SEEDS] [SCALE] [TSTOP_MS]``, and ``HPCSIM_CACHE`` for the compiled neuron
"""

from __future__ import annotations

import os
import sys
import time

os.environ.setdefault("PYNEST_QUIET", "1")

import numpy as np

import hpcsim
from hpcsim.models.model import Context
from hpcsim.models.nest.hagen_lif import hagen_lif
from hpcsim.models.nest.hagen_lif_fast import hagen_lif_fast, library
from hpcsim.paths import cache_directory
from hpcsim.stages.features.spikes import interval_statistics
from hpcsim.stages.spectra import density, frequencies

TRANSIENT = 200.0
BANDS = ((0, 20), (20, 50), (50, 100), (100, 200), (200, 400))
NAMES = [
    *(f"{what} of {population}" for what in ("rate (1/s)", "CV of intervals") for population in "EI"),
    *(f"power of E's spikes, {low} to {high} Hz, log10" for low, high in BANDS),
]


def one(model, seed: int, scale: float, tstop: float, context: Context) -> tuple[float, np.ndarray]:
    """CPU seconds of a network, and its statistics."""
    fixed = {"scale": scale, "tstop": tstop, "transient": TRANSIENT, "J_ext": 30.0}
    point = hpcsim.Study("one", model.name, fixed=fixed, seed=seed).design.point(0)
    began = time.process_time()
    given = model.simulate(point, context)
    cpu = time.process_time() - began
    irregular = [interval_statistics(given[f"spike_times_{name}"], given[f"spike_senders_{name}"])[1].mean() for name in "EI"]
    counts = given["spike_counts"][0]
    power, f = density(counts, point["dt"], 4096), frequencies(len(counts), point["dt"], 4096)
    bands = [np.log10(power[(f > low) & (f <= high)].mean()) for low, high in BANDS]
    return cpu, np.array([*given["rate"], *irregular, *bands])


def main(seeds: int, scale: float, tstop: float) -> None:
    context = Context(cache=cache_directory())
    library(context)
    cpu, found = np.zeros((2, seeds)), np.zeros((2, seeds, len(NAMES)))
    for seed in range(seeds):
        for row, model in ((0, hagen_lif), (1, hagen_lif_fast)) if seed % 2 else ((1, hagen_lif_fast), (0, hagen_lif)):
            cpu[row, seed], found[row, seed] = one(model, seed, scale, tstop, context)
    ratio = np.sort(cpu[1] / cpu[0])
    print(f"{seeds} seeds, scale {scale:g}, {tstop:g} ms; CPU seconds of a network, median")
    print(f"nest.hagen_lif {np.median(cpu[0]):.2f}, nest.hagen_lif_fast {np.median(cpu[1]):.2f}")
    print(f"ratio {np.median(ratio):.2f} ({ratio[0]:.2f} to {ratio[-1]:.2f})")
    mean, error = found.mean(axis=1), np.sqrt(found.var(axis=1, ddof=1).sum(axis=0) / seeds)
    for name, default, fast, se in zip(NAMES, *mean, error, strict=True):
        print(f"{name:45s} {default:9.4f} {fast:9.4f} {(fast - default) / se:6.2f} standard errors")


if __name__ == "__main__":
    words = sys.argv[1:]
    main(int(words[0]) if words else 20, float(words[1]) if words[1:] else 0.2, float(words[2]) if words[2:] else 1200.0)
