"""What a multicompartment network costs: `neuron.ball_and_sticks_network` against the same network in LFPy.Network.

Both have the same neurons, laws of connections, drive, probes (LFP, CSD, dipole moment, by population) and time step; LFPy makes
a synapse object and several Python calls for every contact, and multiplies matrices in Python at every step. Each runs in a
process of its own, three times in turn. Prints seconds of CPU for neurons, connections and simulation, and memory a synapse.

Run it as ``python benchmarks/ball_and_sticks.py [N_E N_I MILLISECONDS REPEATS]``, on a quiet machine. The published size of the
comparison is ``512 64 1500``, of which LFPy takes about half an hour; the defaults take minutes.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import scipy.special  # noqa: F401 - loaded by the first connection otherwise, and at the start by LFPy

from hpcsim.models.neuron.hagen import ball_and_sticks, cells
from hpcsim.models.neuron.hagen.ball_and_sticks import POPULATIONS, SUFFIXES
from hpcsim.models.neuron.hagen.ball_and_sticks_network import ball_and_sticks_network
from hpcsim.models.neuron.hagen.membranes import MECHANISMS
from hpcsim.models.neuron.hagen.network import Network
from hpcsim.models.neuron.hagen.neurons import parallel_session
from hpcsim.models.neuron.hagen.recorder import Recorder
from hpcsim.models.neuron.nmodl import mechanisms
from hpcsim.paths import cache_directory

TOTAL, CONNECTING = 10.0, 100.0
#: Neurons that a full-size in-degree of 0.05 * 8192 needs at least.
FULL_IN_DEGREE = 410


def values_of(n_E: int, n_I: int, tstop: float) -> dict[str, Any]:
    """Parameters of a small network, with in-degrees as published where that many neurons are there."""
    density = min(1.0, FULL_IN_DEGREE / n_E)
    values = {**ball_and_sticks_network.defaults(), "N_E": n_E, "N_I": n_I, "tstop": tstop, "transient": 0.0}
    return values | {f"C_{suffix}": density for suffix in SUFFIXES}


class Clock:
    """Seconds of CPU, and growth of memory, of the parts of a run."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}
        self._last = time.process_time()

    def stop(self, part: str) -> None:
        now = time.process_time()
        self.parts[part], self._last = now - self._last, now


def memory() -> float:
    """Largest resident size so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def own(values: dict[str, Any]) -> dict[str, float]:
    """The network of hpcsim."""
    with parallel_session() as (h, parallel):
        mechanisms.load(MECHANISMS, cache_directory())
        clock = Clock()
        network = Network(h, parallel, values, 1)
        clock.stop("neurons")
        before = memory()
        network.connect()
        clock.stop("connections")
        grown = memory() - before
        recorder = Recorder(h, network, values)
        network.run(recorder, lambda fraction: None)
        clock.stop("simulation")
        found = {**clock.parts, "synapses": network.n_synapses, "spikes": len(network.spikes()[0]), "memory": grown}
        del network, recorder
    return found


def published(values: dict[str, Any], folder: str) -> dict[str, float]:
    """The same network in LFPy.Network."""
    from LFPy import Network as LFPyNetwork
    from LFPy import NetworkCell, Synapse
    from lfpykit import CellGeometry, CurrentDipoleMoment, LaminarCurrentSourceDensity, RecExtElectrode
    from neuron import h
    from scipy.stats import norm, truncnorm

    mechanisms.load(MECHANISMS, cache_directory())
    np.random.seed(1)
    clock = Clock()
    network = LFPyNetwork(
        dt=values["dt"], tstop=values["tstop"], v_init=values["V_init"], celsius=ball_and_sticks.TEMPERATURE, OUTPUTPATH=folder
    )
    drive = {"tau1": values["tau_rise_ext"], "tau2": values["tau_decay_ext"]}
    for population in POPULATIONS:
        own = cells.cell(values, population)
        file = str(own.morphology.write(Path(folder), own.numbers))
        network.create_population(
            Cell=NetworkCell,
            name=population,
            POP_SIZE=values[f"N_{population}"],
            cell_args={
                "templatefile": file,
                "templatename": own.morphology.name(own.numbers),
                "morphology": file,
                "templateargs": None,
                "delete_sections": False,
                "nsegs_method": None,
                "custom_fun": [_membrane],
                "custom_fun_args": [{"values": values, "population": population}],
            },
            pop_args={"radius": values["radius"], "loc": 0.0, "scale": values["depth_std"]},
            rotation_args={"x": 0.0, "y": 0.0},
        )
        for cell in network.populations[population].cells:
            for idx in cell.get_rand_idx_area_norm(section="allsec", nidx=values[f"n_ext_{population}"]):
                synapse = Synapse(cell=cell, idx=idx, syntype="Exp2Syn", weight=values["weight_ext"], e=0.0, **drive)
                synapse.set_spike_times_w_netstim(interval=1000 / values["nu_ext"], seed=np.random.rand() * 2**32 - 1)
    clock.stop("neurons")
    before, synapses = memory(), 0
    for post in POPULATIONS:
        for pre in POPULATIONS:
            p = {name.removesuffix(f"_{post}{pre}"): value for name, value in values.items() if name.endswith(f"_{post}{pre}")}
            layers = zip(p["position_mean"], p["position_std"], strict=True)
            _, made = network.connect(
                pre,
                post,
                network.get_connectivity_rand(pre, post, connprob=p["C"]),
                syntype=h.Exp2Syn,
                synparams={"tau1": p["tau_rise"], "tau2": p["tau_decay"], "e": p["E_syn"]},
                weightargs={"loc": p["weight"], "scale": 0.1 * p["weight"]},
                delayfun=truncnorm,
                delayargs=_truncated(p["delay_mean"], p["delay_std"], p["delay_min"], np.inf),
                multapsefun=truncnorm,
                multapseargs=_truncated(p["multapse_mean"], p["multapse_std"], 1, 10),
                syn_pos_args={
                    "section": list(p["sections"]),
                    "fun": [norm] * len(p["position_mean"]),
                    "funargs": [{"loc": mean, "scale": std} for mean, std in layers],
                    "funweights": list(p["position_weight"]),
                },
            )
            synapses += int(made)
    clock.stop("connections")
    grown = memory() - before
    z = np.array(values["contacts"])
    nobody = CellGeometry(x=np.zeros((1, 2)), y=np.zeros((1, 2)), z=np.array([[0.0, 1e3]]), d=np.ones(1))
    density = LaminarCurrentSourceDensity(nobody, z=np.stack([z - 50, z + 50], axis=1), r=np.full(len(z), values["radius"]))
    density.cell = None
    probes = [RecExtElectrode(None, x=0 * z, y=0 * z, z=z, sigma=values["sigma"]), density, CurrentDipoleMoment(None)]
    spikes = network.simulate(probes=probes, rec_pop_contributions=True, to_memory=True)
    clock.stop("simulation")
    n_spikes = sum(len(train) for trains in spikes["times"] for train in trains)
    return {**clock.parts, "synapses": synapses, "spikes": n_spikes, "memory": grown}


def _membrane(cell: Any, values: dict[str, Any], population: str) -> None:
    """Active channels of all sections."""
    own, sections = cells.cell(values, population), list(cell.template.all)
    own.activate(mechanisms.neuron_interpreter(), sections)
    for section in sections:
        section.Ra, section.cm = own.Ra, values["cm"]


def _truncated(mean: float, std: float, low: float, high: float) -> dict[str, float]:
    return {"a": (low - mean) / std, "b": (high - mean) / std, "loc": mean, "scale": std}


def measured(which: str, size: list[str]) -> dict[str, float]:
    """One run in a process of its own."""
    done = subprocess.run([sys.executable, __file__, which, *size], check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    parts = ", ".join(f"{part} {found[part]:.2f} s" for part in ("neurons", "connections", "simulation"))
    per_synapse = 1e6 * found["memory"] / found["synapses"]
    print(f"  {which:9s} {parts}; {found['synapses']} synapses, {found['spikes']} spikes, {per_synapse:.0f} bytes a synapse")
    return found


def main(size: list[str], repeats: int) -> None:
    totals, connections = [], []
    for _ in range(repeats):
        fast, slow = measured("own", size), measured("published", size)
        parts = ("neurons", "connections", "simulation")
        totals.append(sum(slow[part] for part in parts) / sum(fast[part] for part in parts))
        # by synapse: the random networks differ a little in their number
        connections.append(slow["connections"] / slow["synapses"] / (fast["connections"] / fast["synapses"]))
    print(f"in all: {median(totals):.1f} times less CPU (target {TOTAL:g})")
    print(f"connections: {median(connections):.0f} times faster (target {CONNECTING:g})")


if __name__ == "__main__":
    if sys.argv[1:2] in (["own"], ["published"]):
        parameters = values_of(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
        if sys.argv[1] == "own":
            print("\n" + json.dumps(own(parameters)))
        else:
            with tempfile.TemporaryDirectory() as folder:
                print("\n" + json.dumps(published(parameters, folder)))
    else:
        given = sys.argv[1:] or ["64", "8", "200", "3"]
        main(given[:3], int(given[3]) if len(given) > 3 else 3)
