"""Stored evaluations of the layer 5 pyramidal neuron against new cutoffs, means and groups, without simulating.

Run it with ``python benchmarks/rescore.py [N]``: results of N points (10 000) with the 11 objectives of bAP and BAC, as the
studies l5pc_* keep them, are opened and scored again, five times, each from the file. No peer stores what this needs; beside
it is what simulating them again would cost.
"""

from __future__ import annotations

import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from harness.machine import processor

import hpcsim
from hpcsim import Output, Parameter
from hpcsim.evaluation import hay
from hpcsim.inference.rescore.rescore import rescore
from hpcsim.models.model import Model
from hpcsim.outputs import Coordinate
from hpcsim.scheduler.sweep import sweep
from hpcsim.scheduler.target import Target

#: CPU s of one evaluation of the default neuron: docs/tutorials/fitting.md.
EVALUATION = 1.47
OBJECTIVES = hay.OBJECTIVES[:11]
NAMES = np.array([objective.name for objective in OBJECTIVES])
KEPT = ("objective_count", "objective_passed", "protocol_penalty", "protocol_fault", "objective_values")


def raw(point, context):
    """Raw values such as those of a neuron with one spike in bAP and three in BAC; a fifth of the traces have failed."""
    random = np.random.default_rng(int(point["number"]))
    count = np.array([1, 1, 1, 1, 1, 2, 3, 1, 1, 1, 1])
    means = np.repeat([objective.mean for objective in OBJECTIVES], count)
    sds = np.repeat([objective.sd for objective in OBJECTIVES], count)
    failed = random.random() < 0.2
    return {
        "objective_count": count,
        "objective_passed": np.ones(11, np.int64),
        "protocol_penalty": np.array([0.0, 200.0 if failed else 0.0]),
        "protocol_fault": np.array([0, int(failed)]),
        "objective_values": random.normal(means, 2 * sds),
    }


def coordinates(values):
    return {"objective": Coordinate(NAMES), "objective_protocol": Coordinate(np.array(["bAP", "BAC"]))}


MODEL = Model(
    "benchmark.raw",
    "1",
    (Parameter("number", 0, bounds=(0, None)),),
    (
        Output("objective_count", ("objective",), dtype="int64"),
        Output("objective_passed", ("objective",), dtype="int64"),
        Output("protocol_penalty", ("objective_protocol",)),
        Output("protocol_fault", ("objective_protocol",), dtype="int64"),
        Output("objective_values", ("objective_value",), ragged=True),
    ),
    raw,
    coordinates=coordinates,
)
SCORINGS = {
    "cutoffs": {"cutoffs": {"bAP": 3.2, "BAC": 4.5}},
    "cutoffs, a mean, a standard deviation, a group": {
        "cutoffs": {"all": 3.2},
        "means": {"BAC_ISI": 10.0},
        "sds": {"bAP_att2": 12.0},
        "groups": {"BAC_ISI": "timing"},
    },
}


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    print(processor(), platform.python_version(), f"{n} evaluations, {len(OBJECTIVES)} objectives")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "raw"
        study = hpcsim.Study("raw", MODEL, space={"number": list(range(n))}, outputs={"keep": list(KEPT)})
        sweep(study, study.directory(folder), Target("inline"))
        for what, options in SCORINGS.items():
            seconds, cpu = [], []
            for _ in range(5):
                began, used = time.perf_counter(), time.process_time()
                with hpcsim.open(folder) as results:
                    found = rescore(results, Path(made), **options)
                seconds.append(time.perf_counter() - began)
                cpu.append(time.process_time() - used)
            print(
                f"{what}: median {statistics.median(seconds):.3f} s, CPU {statistics.median(cpu):.3f} s; "
                f"{found.metrics['accepted']:.0f} accepted; simulated again: {n * EVALUATION:.0f} CPU s"
            )


if __name__ == "__main__":
    main()
