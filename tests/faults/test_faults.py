"""Whatever happens to a sweep at a random moment: who runs it again has every point once, with the values of a quiet sweep.

``pytest -m faults tests/faults --trials 20 --seed 7`` does it at length, and prints a table.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from fault_kinds import FAULTS, Fault
from fault_sweep import FaultySweep, Outcome, length
from slurm_cluster import slurm  # noqa: F401
from slurm_kinds import FAULTS as SLURM

pytestmark = pytest.mark.faults


def _cases() -> Iterator[tuple[str, str]]:
    for faults in (FAULTS, SLURM):
        for kind, fault in faults.items():
            for on in fault.on:
                yield kind, on


def _fault(kind: str, on: str) -> Fault:
    return SLURM[kind] if on == "slurm" else FAULTS[kind]


@pytest.mark.parametrize(("kind", "on"), list(_cases()))
def test_every_point_once_and_the_same(tmp_path, request, record_property, kind, on):
    fault, trials, seed = _fault(kind, on), request.config.getoption("--trials"), request.config.getoption("--seed")
    if on == "slurm":
        request.getfixturevalue("slurm")
    length(on)
    found: list[Outcome] = []
    for trial in range(trials):
        folder = tmp_path / str(trial)
        folder.mkdir()
        name = f"{seed}, {kind}, {on}, {trial}"
        sweep = FaultySweep(folder, on)
        outcome = fault.act(sweep, random.Random(name))
        found.append(outcome)
        said = f"seed {name}: {outcome}\n{sweep.told()}"
        assert (outcome.lost, outcome.doubled, outcome.changed) == (0, 0, 0), said
        assert outcome.again <= fault.again, said
        assert sweep.left() == [], said
    sums = [sum(getattr(outcome, name) for outcome in found) for name in ("lost", "doubled", "changed")]
    most = [max(getattr(outcome, name) for outcome in found) for name in ("again", "commands")]
    record_property("faults", (kind, on, trials, *sums, *most))
