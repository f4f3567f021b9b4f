"""Draws the pictures of docs/tutorials/hagen2022.md from the results of the studies at the scale ``small``.

``hpcsim run hagen2022_ps1 --scale small && hpcsim run hagen2022_hay_ps1 --scale small && python hagen2022.py FOLDER`` in the
folder that has ``runs/``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import hpcsim

CONNECTED = {"C_EE": 1, "C_EI": 1, "C_IE": 1, "C_II": 1}
#: By the first part of the studies' names: the network, and when its signals start and stop.
NETWORKS = {
    "hagen2022": ({"N_E": 128, "N_I": 16, **CONNECTED}, "200 ms", "800 ms"),
    "hagen2022_hay": ({"N_E": 64, "N_I": 8, "cell_E": "hay2011_synthetic", "n_ext_E": 920, **CONNECTED}, "100 ms", "700 ms"),
}
INK, GUESS, REPLAY = "#1b1f24", "#d1495b", "#30638e"
#: Colour, width and style of the network, its prediction and its replay.
STYLES = ((INK, 1.6, "-"), (GUESS, 1.1, "-"), (REPLAY, 1.1, ":"))
#: What is drawn of the signals, ms.
WINDOW = (400.0, 600.0)


def prediction(which: str) -> hpcsim.Study:
    """Kernels for the measured rates and potentials of a network, and the signals that they predict."""
    network, start, stop = NETWORKS[which]
    parent = f"study:{which}_ps0"
    return hpcsim.Study(
        f"{which}_one",
        "neuron.kernel",
        fixed={**network, "network": parent, "membrane": "frozen", "t_X": "100 ms"},
        stages=[{"use": "signals.predict", "network": parent, "start": start, "stop": stop}],
    )


def row(results, **wanted) -> int:
    """The point with these parameters."""
    table = results.parameters
    [found] = np.flatnonzero(np.logical_and.reduce([table[name] == value for name, value in wanted.items()]))
    return int(found)


def raster(axes, truth, point: int) -> None:
    """Spikes of both populations."""
    first = 0
    for population, colour in (("E", INK), ("I", GUESS)):
        times = truth.ragged(f"spike_times_{population}")[point]
        senders = truth.ragged(f"spike_senders_{population}")[point]
        axes.plot(times, first + senders, ".", ms=2, color=colour, label=population)
        first += int(truth.outputs["population_size"][point].sel(population=population))
    axes.set(xlim=WINDOW, ylim=(-1, first), ylabel="neuron", title="Spikes")


def traces(axes, time, truth, guess, replay, depths) -> None:
    """LFP by depth: the network, its prediction and its replay, on one scale."""
    shown = (time >= WINDOW[0]) & (time < WINDOW[1])
    # a thousandth of the samples are spikes of single neurons beside a contact, and may leave their row
    scale = np.quantile(np.abs(guess[:, shown] - guess[:, shown].mean(axis=-1, keepdims=True)), 0.999) / 110
    for contact, depth in enumerate(depths):
        for signal, (colour, width, style) in zip((truth, guess, replay), STYLES, strict=True):
            axes.plot(time, depth + (signal[contact] - signal[contact, shown].mean()) / scale, style, color=colour, lw=width)
    # spikes of a neuron beside a contact reach farther
    ends = (min(depths) - 150, max(depths) + 150)
    axes.set(xlim=WINDOW, ylim=ends, xlabel="time (ms)", ylabel="depth (um)", title="LFP: network, prediction, replay")


def dipoles(axes, time, truth, guess, replay) -> None:
    """The current dipole moment of all three."""
    shown = (time >= WINDOW[0]) & (time < WINDOW[1])
    names = ("network", "spikes with kernels", "replay (hybrid scheme)")
    for signal, (colour, width, style), name in zip((truth, guess, replay), STYLES, names, strict=True):
        axes.plot(time[shown], 1e-3 * (signal - signal.mean())[shown], style, color=colour, lw=width, label=name)
    axes.set(xlim=WINDOW, xlabel="time (ms)", ylabel="dipole (nA mm)", title="Current dipole moment")
    axes.legend(frameon=False, fontsize=8, loc="lower left")


def signals(which: str, folder: Path) -> None:
    """Raster, LFP and dipole."""
    with hpcsim.open(f"runs/{which}_ps0") as truth, hpcsim.open(f"runs/{which}_ps1") as replays:
        point, replayed = row(truth, weight_scaling=1.0), row(replays, membrane="frozen", g_eff=True)
        one = prediction(which).run()
        dipole, lfp = (truth.outputs[f"population_{name}"][point].sum("population").values for name in ("dipole", "lfp"))
        figure, grid = plt.subplot_mosaic([["raster", "lfp"], ["dipole", "lfp"]], figsize=(11, 7), layout="constrained")
        raster(grid["raster"], truth, point)
        replay = {name: replays.outputs[f"population_{name}"][replayed].sum("population").values for name in ("dipole", "lfp")}
        guess = {name: one.outputs[f"predicted_{name}"][0].values for name in ("dipole", "lfp")}
        time, depths = one.outputs["time_predicted"].values, one.outputs["contact"].values
        traces(grid["lfp"], time, lfp, guess["lfp"], replay["lfp"], depths)
        dipoles(grid["dipole"], time, dipole, guess["dipole"], replay["dipole"])
        figure.savefig(folder / f"{which}_signals.png", dpi=110)
        kernels(which, folder, one)


def kernels(which: str, folder: Path, one) -> None:
    """Kernels of the LFP, a panel a pathway."""
    figure, panels = plt.subplots(1, 4, figsize=(11, 3.4), sharey=True, layout="constrained")
    images = one.outputs["lfp_kernel"][0]
    lag, depth = images["lag"].values, images["contact"].values
    for axes, pathway in zip(panels, images["pathway"].values, strict=True):
        kernel = 1e3 * images.sel(pathway=pathway).values
        most = np.abs(kernel).max()
        mesh = axes.pcolormesh(lag, depth, kernel, cmap="RdBu", vmin=-most, vmax=most, shading="nearest", rasterized=True)
        figure.colorbar(mesh, ax=axes, orientation="horizontal", label="uV", ticks=[-most, 0, most], format="%.2g")
        axes.set(xlim=(0, 40), xlabel="lag (ms)", title=str(pathway))
    panels[0].set_ylabel("depth (um)")
    figure.savefig(folder / f"{which}_kernels.png", dpi=110)


if __name__ == "__main__":
    for name in NETWORKS:
        signals(name, Path(sys.argv[1] if len(sys.argv) > 1 else "."))
