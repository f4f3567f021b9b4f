"""The life of a study: whatever happens to it, in any order, the next run makes its results whole.

A dictionary is the model: the points that the design must have, each with its value. Tasks run in this process as workers
do: with the study that they read from its directory, which is written in another way than the user's file.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from tempfile import mkdtemp
from unittest.mock import patch

import life
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import hpcsim
from hpcsim.collector.format.table import Table
from hpcsim.errors import DirectoryError, HpcsimError, Interrupted
from hpcsim.lock import Holder
from hpcsim.scheduler.executor import Executor, Job
from hpcsim.scheduler.gather import gather
from hpcsim.scheduler.inline import run_inline
from hpcsim.scheduler.plan import plan
from hpcsim.scheduler.prepare import prepare
from hpcsim.scheduler.state.check import repair
from hpcsim.scheduler.task.runner import Runner
from hpcsim.space.identity import point_id, point_seed
from hpcsim.study.directory import StudyDirectory

SEED = 5
Point = tuple[float, ...]  # of a, b, c, d, e and the replicate

#: Halves are what linspace gives to the bit.
halves = st.integers(-6, 6).map(lambda n: n / 2)
lists = st.lists(halves, min_size=1, max_size=4, unique=True)
steps = st.sampled_from([0.5, 1.0])
evenly = st.builds(lambda first, step, n: [first + step * i for i in range(n)], halves, steps, st.integers(2, 4))
axes = st.one_of(lists, evenly)
executors = st.sampled_from(["inline", "local"])
perhaps = st.sampled_from(["local", "inline", "local", None])
pairs = st.lists(st.tuples(halves, halves), min_size=1, max_size=3, unique=True)


def as_workers_do(job: Job) -> None:
    """The tasks of a sweep, in this process."""
    for start, stop in job.plan.pending:
        middle = (start + stop) // 2
        for first, last in ((middle, stop), (start, middle)):
            if first < last:
                task = replace(job, study=hpcsim.Study.load(job.directory.path), plan=replace(job.plan, pending=((first, last),)))
                run_inline(task)
                job.on_shards()


def spelled(values: list[float], choose: Callable[[int], int]) -> str:
    """The values of an axis in one of the ways that a file may have them."""
    shuffled = sorted(values, key=lambda value: (choose(97), value))
    ways = [str(shuffled), f"{{ values = {shuffled} }}"]
    ordered = sorted(values)
    steps = set(np.diff(ordered))
    if len(steps) == 1:
        ways += [f"{{ linspace = [{ordered[0]}, {ordered[-1]}, {len(ordered)}] }}"] * 6
    if all(value == int(value) for value in values):
        ways.append(str([int(value) for value in shuffled]))
    return ways[choose(len(ways))]


class Life(RuleBasedStateMachine):
    """A study file, a directory, and what must come out."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(mkdtemp(prefix="life"))
        self.before = Path.cwd()
        os.chdir(self.home)
        self.moves = 0
        self.place = StudyDirectory(Path("runs/life"))
        self.chance = np.random.default_rng(0)
        self.known: dict[Point, str] = {}  # every point that a design ever had, with its id

    def teardown(self) -> None:
        life.stop_after(None)
        os.chdir(self.before)
        shutil.rmtree(self.home)

    # -- the study ------------------------------------------------------------------------------

    @initialize(
        a=axes,
        b=evenly,
        zipped=st.one_of(st.none(), pairs),
        drawn=st.one_of(st.none(), st.tuples(st.sampled_from(["random", "sobol", "halton"]), st.integers(1, 3))),
        replicates=st.integers(1, 2),
        chance=st.integers(0, 2**16),
        on=perhaps,
    )
    def begin(self, a, b, zipped, drawn, replicates, chance, on):
        self.axes: dict[str, list[float]] = {"a": a, "b": b}
        self.zipped, self.replicates, self.seed = zipped, replicates, SEED
        self.method, self.n = drawn or ("grid", 1)
        self.chance = np.random.default_rng(chance)
        self.write(on)

    def write(self, on: str | None = None) -> None:
        """The study file, spelled in some way; perhaps a run."""

        def choose(ways: int) -> int:
            return int(self.chance.integers(ways))

        space = [f"{name} = {spelled(values, choose)}" for name, values in self.axes.items()]
        if self.method != "grid":
            space.append("e = { uniform = [-1.0, 2.0] }")
        self.chance.shuffle(space)
        tables = [f'[study]\nname = "life"\nmodel = "life:line"\nseed = {self.seed}\nreplicates = {self.replicates}\n']
        tables.append("[space]\n" + "\n".join(space) + "\n")
        if self.zipped:
            c, d = zip(*sorted(self.zipped, key=lambda pair: choose(97)), strict=True)
            both = [f"c = {list(c)}", f"d = {list(d)}"]
            self.chance.shuffle(both)
            tables.append("[space.zip]\n" + "\n".join(both) + "\n")
        if self.method != "grid":
            tables.append(f'[design]\nmethod = "{self.method}"\nn = {self.n}\n')
        tables = [tables[i] for i in self.chance.permutation(len(tables))]
        Path("life.toml").write_text("".join(tables))
        self.expected()
        if on:
            self.run(on)

    @property
    def study(self) -> hpcsim.Study:
        return hpcsim.Study.load("life.toml")

    def expected(self) -> dict[str, Point]:
        """Every point of the design by its id: the grid listed here, with what was drawn."""
        study = self.study
        block = study.design.block(0, len(study.design))
        drawn = sorted(set(block.columns["e"].tolist())) if self.method != "grid" else [0.0]
        assert len(drawn) == self.n
        cells = product(self.axes["a"], self.axes["b"], self.zipped or [(0.0, 0.0)], drawn, range(self.replicates))
        points = [(a, b, c, d, e, r) for a, b, (c, d), e, r in cells]
        found = {point_id("life.line", dict(zip(life.NAMES, point[:5], strict=True)), point[5]): point for point in points}
        assert len(study.design) == len(found)
        assert set(block.ids) == set(found)
        self.known.update({point: id for id, point in found.items()})
        return found

    # -- what a user does ------------------------------------------------------------------------

    @rule(on=executors)
    def run(self, on):
        """A run ends well, and the results are whole."""
        with patch("hpcsim.scheduler.sweep.get_executor", _executors):
            self.study.run(on, directory=self.place.path).close()
        self.check()

    def check(self) -> None:
        wanted, ever = self.expected(), {id: point for point, id in self.known.items()}
        with Table(self.place.results) as table:
            ids = table.array("id").tolist()
            columns = {name: table.array(name) for name in (*life.NAMES, "replicate", "y", "noise", "seed", "status")}
            trains = table.batch("train", 0, len(table))
        assert len(set(ids)) == len(ids), "a point stands there twice"
        assert set(wanted) <= set(ids), "points are missing"
        for row, id in enumerate(ids):
            point = ever[id]  # of this design, or of one that it had before
            assert tuple(columns[name][row] for name in (*life.NAMES, "replicate")) == point
            assert columns["status"][row] == 0
            assert columns["y"][row] == life.value(*point[:5])
            assert columns["seed"][row] == point_seed(self.seed, id)
            assert columns["noise"][row] == np.random.default_rng(point_seed(self.seed, id)).random()
            assert trains[row].tolist() == [columns["y"][row]] * (int(point[5]) % 3)
        done = plan(self.study, self.place)
        assert (done.total, done.left) == (len(wanted), 0)
        assert not list(self.place.shards.glob("*.h5"))
        assert not self.place.lock.exists()
        report = self.study.check(self.place.path)
        assert report.ok, report.defects
        assert report.extra == len(ids) - len(wanted)

    @rule(first=st.floats(0, 1), last=st.floats(0, 1))
    def run_some(self, first, last):
        """A task that an executor started; the executor is gone."""
        if self.damaged():
            return
        study = self.study
        prepare(study, self.place)
        total = len(study.design)
        start, stop = sorted((int(first * total), int(last * total) + 1))
        if start < min(stop, total):
            Runner(hpcsim.Study.load(self.place.path), self.place, start, min(stop, total)).run()

    @rule(points=st.integers(0, 5), on=executors)
    def interrupt(self, points, on):
        """SIGTERM in the middle of a run."""
        life.stop_after(points)
        try:
            with patch("hpcsim.scheduler.sweep.get_executor", _executors):
                self.study.run(on, directory=self.place.path).close()
        except Interrupted:
            assert not self.place.lock.exists()
        life.stop_after(None)

    @rule(points=st.integers(0, 3))
    def kill(self, points):
        """What a kill leaves: a shard of some points, half a file beside it, and a lock that nobody holds."""
        self.run_some(0.0, points / 10)
        self.place.shards.mkdir(parents=True, exist_ok=True)
        (self.place.shards / ".half.tmp").write_bytes(b"half")
        left = replace(Holder.here("a sweep"), pid=2**22 - 1, started="1")
        self.place.lock.write_text(json.dumps(asdict(left)))

    @rule(name=st.sampled_from(["a", "b"]), value=st.one_of(st.none(), halves), on=perhaps)
    def extend_axis(self, name, value, on):
        """A value more: one more step of the same size, or any."""
        held = sorted(self.axes[name])
        if value is None:
            value = held[-1] + (held[-1] - held[-2] if len(held) > 1 else 1.0)
        if value not in self.axes[name] and len(self.axes[name]) < 5:
            self.axes[name] = [*self.axes[name], value]
        self.write(on)

    @rule(pair=st.tuples(halves, halves), on=perhaps)
    def extend_zip(self, pair, on):
        if self.zipped and pair not in self.zipped and len(self.zipped) < 4:
            self.zipped = [*self.zipped, pair]
        self.write(on)

    @rule(on=perhaps)
    def extend_sample(self, on):
        """A longer sample, or more replicates."""
        if self.method != "grid" and self.n < 5:
            self.n += 1
        else:
            self.replicates = min(3, self.replicates + 1)
        self.write(on)

    @rule(which=st.integers(0, 9), on=perhaps)
    def shrink(self, which, on):
        """A value is taken out, or a replicate."""
        axis = self.axes["ab"[which % 2]]
        if which > 7 and self.replicates > 1:
            self.replicates -= 1
        elif len(axis) > 1:
            axis.pop(which % len(axis))
        self.write(on)

    @rule(on=perhaps)
    def spell(self, on):
        """Another order of keys, tables and lists."""
        self.write(on)

    @precondition(lambda self: self.place.study.exists())
    @rule()
    def another_seed(self):
        """It would make other numbers: refused, and nothing is touched."""
        held = {path: path.read_bytes() for path in self.place.path.rglob("*.*") if path.suffix in (".h5", ".toml")}
        self.seed += 1
        self.write()
        with pytest.raises(DirectoryError):
            self.study.run("inline", directory=self.place.path)
        assert held == {path: path.read_bytes() for path in held}
        self.seed -= 1
        self.write()

    @precondition(lambda self: self.place.path.exists())
    @rule()
    def move(self):
        self.moves += 1
        there = StudyDirectory(Path(f"moved-{self.moves}") / "life")
        there.path.parent.mkdir()
        self.place.path.rename(there.path)
        self.place = there

    @precondition(lambda self: self.place.study.exists())
    @rule()
    def collect(self):
        if not self.damaged():
            gather(hpcsim.Study.load(self.place.path), self.place)

    @precondition(lambda self: self.place.shards.is_dir())
    @rule(where=st.floats(0, 0.999), cut=st.booleans())
    def damage_a_shard(self, where, cut):
        for path in sorted(self.place.shards.glob("*.h5"))[:1]:
            _damage(path, where, cut)

    @precondition(lambda self: self.place.results.exists())
    @rule(where=st.floats(0, 0.999), cut=st.booleans())
    def damage_the_results(self, where, cut):
        """A user who asks for a check has it repaired; what is cut off every command notices."""
        _damage(self.place.results, where, cut)
        if not cut and not self.damaged():
            repair(hpcsim.Study.load(self.place.path), self.place)

    @precondition(lambda self: self.place.results.exists())
    @rule()
    def remove_the_results(self):
        self.place.results.unlink()

    def damaged(self) -> bool:
        """Whether the results cannot be opened: only a run or a repair goes on then."""
        try:
            if self.place.results.exists():
                hpcsim.open(self.place.path).close()
        except HpcsimError:
            return True
        return False

    @invariant()
    def every_spelling_is_the_same_study(self):
        if self.place.study.exists() and not self.damaged():
            done = plan(self.study, self.place)
            assert 0 <= done.done <= done.total == len(self.study.design)


def _executors(name: str) -> Executor | None:
    return Executor.of(name, {"inline": run_inline, "local": as_workers_do}[name])


def _damage(path: Path, where: float, cut: bool) -> None:
    data = bytearray(path.read_bytes())
    at = int(where * len(data))
    if cut:
        data = data[:at]
    else:
        data[at] ^= 16
    path.write_bytes(data)


Life.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
    # a sequence of steps is told as it was found: to make it shorter takes minutes
    phases=(Phase.explicit, Phase.generate),
)
TestLife = Life.TestCase


def test_a_grid_of_a_list_and_a_linspace_is_extended_by_processes_of_their_own():
    """The same with real tasks: workers read the study from its directory, where lists stand before tables."""
    head = '[study]\nname = "grid"\nmodel = "life:line"\n[space]\nb = { linspace = [1, 4, 4] }\na = %s\n'
    for values in ([1, 2, 3], [1, 2, 3, 4]):
        Path("grid.toml").write_text(head % values)
        with hpcsim.Study.load("grid.toml").run() as results:
            assert sorted(results.outputs["y"].values) == sorted(a + 7 * b for a in values for b in (1, 2, 3, 4))
