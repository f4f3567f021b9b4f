"""Executors as other packages write them."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np

from hpcsim.models.model import Context
from hpcsim.scheduler.executor import Job, executor
from hpcsim.scheduler.inline import run_inline
from hpcsim.space.points import Point


def plain(job: Job) -> None:
    """Another package's executor may be a plain function."""
    run_inline(job)


class Counting:
    """Or an object that can be called."""

    jobs = 0

    def __call__(self, job: Job) -> None:
        self.jobs += 1
        run_inline(job)


counting = Counting()


@executor("backwards")
def backwards(job: Job) -> None:
    """The last task first, and each in halves."""
    for start, stop in reversed(job.plan.pending):
        middle = (start + stop) // 2
        for first, last in ((middle, stop), (start, middle)):
            if first < last:
                run_inline(replace(job, plan=replace(job.plan, pending=((first, last),))))
                job.on_shards()


def drops_a_point(job: Job) -> None:
    """Broken: the last point of the design is never simulated."""
    last = len(job.study.design) - 1
    shorter = [(start, min(stop, last)) for start, stop in job.plan.pending if start < last]
    run_inline(replace(job, plan=replace(job.plan, pending=tuple(shorter))))


def leaves_a_point_for_later(job: Job) -> None:
    """Broken: it comes back too early, and the sweep calls it again."""
    *others, (start, stop) = job.plan.pending
    run_inline(replace(job, plan=replace(job.plan, pending=(*others, (start, max(start + 1, stop - 1))))))


def changes_a_value(job: Job) -> None:
    """Broken: the last bit of one number of one point."""

    def simulate(points: Any, context: Context) -> dict[str, Any]:
        outputs = dict(model.simulate(points, context))
        if isinstance(points, Point) and points["x"] == 3:
            outputs["noise"] = np.nextafter(outputs["noise"], np.inf)
        return outputs

    model, study = job.study.model, copy(job.study)
    study.model = replace(model, simulate=simulate)
    run_inline(replace(job, study=study))
