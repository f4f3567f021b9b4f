"""How long two workers are idle in a search whose points differ 25 times in cost, with a barrier and without.

Run it with ``python benchmarks/search_idle.py [EVALUATIONS] [LONGEST]``: the same points that sleep from LONGEST / 25 to LONGEST
seconds (10), searched by NSGA-II in generations and by its steady state. A worker is idle from the end of one of its tasks to the
beginning of the next; what comes after the last task was begun does not count, since the budget is used up. A task's process
starts anew each time, which belongs to the task.
"""

from __future__ import annotations

import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness.machine import processor

from hpcsim import Study
from hpcsim.scheduler.task.process import TaskProcesses

WORKERS, POPULATION = 2, 10
MODEL = """
import time
from hpcsim import Output, Parameter, model
PARAMETERS = [Parameter("x", 0.0), Parameter("y", 0.0), Parameter("longest", 1.0, "s")]
@model("idle.bowl", parameters=PARAMETERS, outputs=[Output("f"), Output("g")])
def bowl(point, context):
    # even on a logarithmic scale, whatever the search likes
    share = (abs(point["x"]) * 1e4) % 1
    time.sleep(point["longest"] * 25 ** (share - 1))
    return {"f": (point["x"] - 1) ** 2 + point["y"] ** 2, "g": (point["x"] + 1) ** 2 + point["y"] ** 2}
"""


def intervals(use: str, n: int, longest: float, folder: Path) -> list[tuple[float, float]]:
    """When each task ran."""
    found: list[tuple[float, float]] = []
    run = TaskProcesses.run

    def timed(*arguments: Any) -> float:
        began = time.monotonic()
        try:
            return run(*arguments)
        finally:
            found.append((began, time.monotonic()))

    TaskProcesses.run = timed  # type: ignore[method-assign]
    try:
        sampler = {"use": use, "population": POPULATION, "objectives": {"f": "f", "g": "g"}, "evaluations": n}
        space = {"x": {"uniform": [-4, 4]}, "y": {"uniform": [-2, 2]}}
        study = Study("idle", "idle:bowl", space=space, fixed={"longest": longest}, sampler=sampler, seed=1)
        study.run("local", folder / use, workers=WORKERS)
    finally:
        TaskProcesses.run = run  # type: ignore[method-assign]
    return sorted(found)


def idle(tasks: list[tuple[float, float]]) -> float:
    """Share of the workers' time without a task, until the last one began."""
    first, last = tasks[0][0], tasks[-1][0]
    busy = sum(min(stop, last) - start for start, stop in tasks if start < last)
    return 1 - busy / (WORKERS * (last - first))


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    longest = float(sys.argv[2]) if len(sys.argv) > 2 else 10.0
    print(processor(), platform.python_version(), flush=True)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "idle.py").write_text(MODEL)
        sys.path.insert(0, made)
        for use, barrier in (("nsga2", "a barrier"), ("steady_state", "no barrier")):
            tasks = intervals(use, n, longest, folder)
            seconds = max(stop for _, stop in tasks) - tasks[0][0]
            print(f"{use}, {barrier}: {n} points in {seconds:.0f} s, idle {idle(tasks):.1%}", flush=True)


if __name__ == "__main__":
    main()
