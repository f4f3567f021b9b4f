"""The layer 5 pyramidal neuron: CPU of an evaluation, evaluations of a search, accepted models of a walk.

Run one of them:

``python benchmarks/l5pc.py evaluation [N]``
    CPU of bAP and BAC with their objectives: of the default neuron, of example model 0 of the In Silico Framework where its
    files are in HPCSIM_DATA, and of N points (20) of the whole space, with and without early stop.
``python benchmarks/l5pc.py search FOLDER [EVALUATIONS] [SAMPLER ...]``
    Evaluations (at most 10 000) until all objectives are below 3.2 standard deviations, five seeds of CMA-ES and of IBEA with
    100 offspring (BluePyOpt's way and operators, hpcsim's sampler) on the same objectives; goes on in FOLDER where it stopped.
``python benchmarks/l5pc.py walk [N]``
    Accepted models per core-hour of N evaluations (200) from the default neuron, each accepted one simulated again to its end.

One process; figures are CPU seconds. The In Silico Framework takes 1.1 s for an evaluation, and finds about 1 300 models an hour.
"""

from __future__ import annotations

import platform
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from harness.machine import processor

from hpcsim.errors import HpcsimError
from hpcsim.evaluation import hay
from hpcsim.evaluation.raw import measure
from hpcsim.evaluation.score import deviations, group_maxima, groups_of
from hpcsim.models.model import Context
from hpcsim.models.neuron.l5pc.model import FITTED, l5pc
from hpcsim.models.neuron.l5pc.parameters import FREE
from hpcsim.paths import cache_directory
from hpcsim.samplers import Budget, Result, Search, SearchLog, SearchPlan, SearchProblem, Variable, get_sampler

TABLE = hay.OBJECTIVES[:11]
GROUPS = groups_of(TABLE)
CUTOFF = 3.2
VARIABLES = tuple(Variable(p.name, float(p.bounds[0] or 0), float(p.bounds[1] or 0)) for p in FREE)
PROBLEM = SearchProblem(VARIABLES, GROUPS, dict.fromkeys(GROUPS, CUTOFF))
CONTEXT = Context(cache=cache_directory())
#: Of the studies: bAP that has failed ends an evaluation; bAP that is not accepted does.
EARLY, STRICT = (20.0, 250.0), (CUTOFF, CUTOFF)


def evaluate(values: Mapping[str, object], cutoffs: tuple[float, ...]) -> tuple[dict[str, float], float]:
    """The largest objective of each group, and CPU seconds."""
    began = time.process_time()
    recordings = FITTED.recordings({**l5pc.defaults(), **values, "cutoffs": cutoffs}, CONTEXT)
    raw = measure(TABLE, {"BAC": None, **recordings}, hay.WINDOWS)
    found = group_maxima(TABLE, deviations(TABLE, raw))[0]
    return dict(zip(GROUPS, found.tolist(), strict=True)), time.process_time() - began


def evaluation(n: int) -> None:
    """CPU of an evaluation."""
    named = {"default, synthetic pyramid": {}, "isf_89_C2": l5pc.presets["isf_89_C2"]}
    for name, values in named.items():
        try:
            cell = FITTED.build({**l5pc.defaults(), **values})
            evaluate(values, ())
            seconds = [evaluate(values, ())[1] for _ in range(5)]
            print(f"{name}, {len(cell.segments)} segments: least {min(seconds):.2f}, median {statistics.median(seconds):.2f} s")
        except HpcsimError as error:
            print(f"{name}: {error}")
    random, totals = np.random.default_rng(0), np.zeros(3)
    for _ in range(n):
        values = {v.name: float(random.uniform(v.low, v.high)) for v in VARIABLES}
        found = [evaluate(values, cutoffs) for cutoffs in ((), (250.0, 250.0), EARLY)]
        assert found[0][0] == found[1][0], "a run that is cut short has another score"
        totals += [cpu for _, cpu in found]
    words = ("to the end", "cut short", "and no BAC after a failed bAP")
    print(f"{n} points of the space: " + ", ".join(f"{w} {t / n:.2f} s" for w, t in zip(words, totals, strict=True)))


def attempt(values: Mapping[str, object]) -> tuple[dict[str, float], float]:
    """As :func:`evaluate` with the early stop of the studies; a point that NEURON cannot simulate has no objectives."""
    began = time.process_time()
    try:
        return evaluate(values, EARLY)
    except (HpcsimError, RuntimeError) as error:
        print(f"a point failed: {error}", flush=True)
        return {}, time.process_time() - began


def search(folder: Path, limit: int, samplers: list[str]) -> None:
    """Evaluations until the first accepted model."""
    folder.mkdir(parents=True, exist_ok=True)
    options = {"cma_es": {"population": 20}, "ibea": {"population": 100}}
    for name in samplers or list(options):
        needed = []
        for seed in range(1, 6):
            plan = SearchPlan(get_sampler(name), PROBLEM, seed, (), options.get(name, {}))
            run = Search(plan, SearchLog(folder / f"{name}_{seed}.jsonl"), Budget(evaluations=limit, accepted=1))
            while not run.over:
                for point in run.pending or run.suggest(1):
                    found, cpu = attempt(point.values)
                    run.ingest([Result(point.number, found, cpu)])
            best = np.nanmin([values.max() for values in run.objectives.values()])
            n, hours = run.spent.evaluations, run.spent.cpu_hours
            needed.append(n if run.accepted else np.inf)
            print(f"{name}, seed {seed}: {n} evaluations, {hours * 60:.1f} CPU min, best {best:.2f}: {run.over}", flush=True)
        print(
            f"{name}: {np.isfinite(needed).sum()} of {len(needed)} seeds accepted, median {np.median(needed):.0f} evaluations",
            flush=True,
        )


def walk(n: int) -> None:
    """Accepted models of a walk, and whether they are."""
    start = [{p.name: float(l5pc.defaults()[p.name]) for p in FREE}]
    accepted, seconds = [], 0.0
    sampler = get_sampler("walk")(PROBLEM, 1, start)
    for _ in range(n):
        [point] = sampler.suggest(1)
        found, cpu = evaluate({v.name: point[v.name] for v in VARIABLES}, STRICT)
        sampler.ingest([{"_id": point["_id"], **found}])
        seconds += cpu
        if max(found.values()) <= CUTOFF:
            accepted.append((point, found))
    wrong = sum(evaluate({v.name: point[v.name] for v in VARIABLES}, ())[0] != found for point, found in accepted)
    print(
        f"{n} evaluations, {seconds / n:.2f} CPU s each, {len(accepted)} accepted, {wrong} of them otherwise when simulated "
        f"again: {3600 * (len(accepted) - wrong) / seconds:.0f} per core-hour"
    )


def main() -> None:
    print(processor(), platform.python_version(), "CVODE, atol", l5pc.defaults()["atol"])
    # compiles and loads the mechanisms
    evaluate({}, ())
    what, *rest = sys.argv[1:] or ["evaluation"]
    if what == "search":
        folder, *names = rest
        limit = int(names.pop(0)) if names and names[0].isdigit() else 10_000
        search(Path(folder), limit, names)
    else:
        {"evaluation": evaluation, "walk": walk}[what](int(rest[0]) if rest else {"evaluation": 20, "walk": 200}[what])


if __name__ == "__main__":
    main()
