"""A model that does a known amount of work, and the same work without hpcsim: ``slurm_models.py TASK SIZE TURNS FOLDER``."""

from __future__ import annotations

import sys
import time

import numpy as np


def labour(x: float, turns: int) -> float:
    """Work for one core, the same for every x."""
    value = np.full(512, x)
    for _ in range(turns):
        value = np.sin(value) + 1.0
    return float(value[0])


def turn_for(seconds: float) -> int:
    """How many turns take so many seconds of CPU here and now."""
    turns = 20_000
    began = time.process_time()
    labour(1.0, turns)
    return round(turns * seconds / (time.process_time() - began))


def by_hand(task: int, size: int, turns: int, folder: str) -> None:
    """One element of an array, as one writes it by hand."""
    values = [labour(float(x), turns) for x in range(task * size, (task + 1) * size)]
    np.savez(f"{folder}/{task}.npz", values=values)


if __name__ == "__main__":
    by_hand(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
else:
    from hpcsim import Output, Parameter, model

    @model("slurm.work", parameters=[Parameter("x", 0.0), Parameter("turns", 0)], outputs=[Output("y")])
    def work(point, context):
        """Work."""
        return {"y": labour(point["x"], int(point["turns"]))}
