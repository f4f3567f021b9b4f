"""A study whose points are simulated when a test says so."""

from __future__ import annotations

import hpcsim
from hpcsim.scheduler.executor import Job
from hpcsim.scheduler.inline import run_inline
from hpcsim.scheduler.plan import Plan
from hpcsim.scheduler.prepare import prepare

EVIL = "<script>document.title = 'evil'</script>"


@hpcsim.model("tests.evil", parameters=[hpcsim.Parameter("x", 0.0)], outputs=[hpcsim.Output("y")])
def evil(point, context):
    """Fails at 7 with words that are HTML."""
    if point["x"] == 7:
        raise ValueError(EVIL)
    return {"y": point["x"]}


class Half:
    """A study of 20 points, in its directory; points are simulated when a test says so."""

    def __init__(self, folder, points: int = 20) -> None:
        self.study = hpcsim.Study("half", evil, space={"x": {"linspace": [0, points - 1, points]}})
        self.directory = self.study.directory(folder / "runs" / "half")
        prepare(self.study, self.directory)

    def simulate(self, start: int, stop: int, *, retry_failed: bool = False) -> None:
        """Leave a shard of these points."""
        plan = Plan(len(self.study.design), start, ((start, stop),))
        run_inline(Job(self.study, self.directory, plan, retry_failed=retry_failed))
