"""What a kernel costs: points of `neuron.kernel` in one process against LFPykernels as the published notebooks use it.

Both compute the four pathways of the ball-and-sticks network at the same resting potentials and rates, for 13 contacts and the
dipole moment. The notebooks make one KernelApprox a kernel, whose probe integrates each contact and segment anew; hpcsim keeps
the matrix of its probe between points, and adds the CSD. They take turns, point by point, in one process, after a first round
that does not count; the values of both are compared.

Run it as ``python benchmarks/kernels.py [POINTS]`` (5 without it), on a quiet machine.
"""

from __future__ import annotations

import sys
import time
from statistics import median
from typing import Any

import numpy as np

from hpcsim.models.model import Context
from hpcsim.models.neuron.hagen import membranes
from hpcsim.models.neuron.hagen.ball_and_sticks import PATHWAYS, POPULATIONS
from hpcsim.models.neuron.kernels.approximation import approximation
from hpcsim.models.neuron.kernels.kernel import kernel
from hpcsim.models.neuron.nmodl import mechanisms
from hpcsim.paths import cache_directory
from hpcsim.space.points import Point

TARGET = 4.0
#: Of the largest value: LFPykernels' quadrature stops at an absolute error.
SAME = 1e-6


def values_of(number: int) -> dict[str, Any]:
    """Parameters of a point: frozen gates, another resting potential and other rates at each."""
    return {**kernel.defaults(), "membrane": "frozen", "V_rest_offset": 0.5 * number, "nu_scaling": 1 + 0.1 * number}


def own(values: dict[str, Any], context: Context) -> tuple[np.ndarray, np.ndarray]:
    found = kernel.simulate(Point(values, "0" * 32, 0, 0), context)
    return found["dipole_kernel"], found["lfp_kernel"]


def published(values: dict[str, Any], context: Context) -> tuple[np.ndarray, np.ndarray]:
    """One KernelApprox a kernel, with LFPykernels' own probes."""
    from lfpykernels import GaussCylinderPotential, KernelApproxCurrentDipoleMoment

    dipoles, potentials = [], []
    contacts, radius, spread = np.array(values["contacts"]), values["radius"], values["depth_std"]
    nu = {p: values["nu_scaling"] * values[f"nu_{p}"] for p in POPULATIONS}
    for pathway in PATHWAYS:
        post, pre = pathway.split(":")
        v_rest = values[f"V_rest_{post}"] + values["V_rest_offset"]
        with mechanisms.empty_session():
            membranes.load(context.cache)
            network = approximation(values, post, v_rest, nu, context.cache)
            # as LFPykernels has it
            del network.get_delay
            probes = [
                GaussCylinderPotential(None, contacts, sigma=values["sigma"], R=radius, sigma_z=spread),
                KernelApproxCurrentDipoleMoment(cell=None),
            ]
            found = network.get_kernel(
                probes, Vrest=v_rest, dt=values["dt"], X=pre, t_X=values["t_X"], tau=values["lag_max"], g_eff=values["g_eff"]
            )
            network.cell = None
        dipoles.append(found["KernelApproxCurrentDipoleMoment"][2])
        potentials.append(found["GaussCylinderPotential"])
    return np.array(dipoles), np.array(potentials)


def main(points: int) -> None:
    context = Context(cache=cache_directory())
    costs: dict[str, list[float]] = {"own": [], "published": []}
    worst = 0.0
    for number in range(points + 1):
        signals = {}
        for name, run in (("own", own), ("published", published)):
            start = time.process_time()
            signals[name] = run(values_of(number), context)
            costs[name].append((time.process_time() - start) / len(PATHWAYS))
        for one, other in zip(signals["own"], signals["published"], strict=True):
            axes = tuple(range(1, one.ndim))
            worst = max(worst, float((np.abs(one - other).max(axis=axes) / np.abs(other).max(axis=axes)).max()))
    fast, slow = (costs[name][1:] for name in ("own", "published"))
    ratio = median(b / a for a, b in zip(fast, slow, strict=True))
    print(f"own: {median(fast):.3f} s of CPU a kernel; LFPykernels: {median(slow):.3f} s")
    print(f"{ratio:.1f} times less CPU (target {TARGET:g}); 1764 kernels take {1764 * median(fast) / 60:.1f} minutes")
    print(f"values differ by at most {worst:.1e} of the largest (limit {SAME:g})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
