"""Slurm: what submitting costs, and packed tasks against one array element a point, on a Slurm that this starts itself.

``python benchmarks/slurm.py submit``    10 000 points: sbatch calls and seconds, planning and submitting; targets 10 and 1 s
``python benchmarks/slurm.py noop``      200 points that do nothing, against an array of 200 elements; target: 20 times faster
``python benchmarks/slurm.py overhead [SECONDS TURNS]``  a sweep of 600 s of CPU, twice in turn with a hand-written array that
                                         calls the same function and saves what it gives; target: at most 3 % more CPU

Slurm is that of ``hpcsim slurm-demo``: emulated nodes on this machine. CPU is counted by a Python of the jobs that
notes what it and its children took.
"""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
#: Notes CPU time of a job's process and everything under it; a signal goes to the process as it would without.
PYTHON = """#!/bin/bash
{python} "$@" & child=$!
trap 'kill -TERM $child' TERM
wait $child; code=$?
# not in a pipe: it would tell of the pipe
times > {notes}.$$; tail -1 {notes}.$$ >> {notes}
exit $code
"""
ELEMENT = """#!/bin/bash
#SBATCH --array=0-{last}
#SBATCH --output={folder}/%a.log
exec {python} {program} {arguments}
"""


@contextmanager
def cluster(folder: Path):
    """A Slurm whose commands this process finds."""
    from hpcsim.cli.slurm_cluster import Cluster

    folder.chmod(0o755)
    with Cluster(folder / "slurm", nodes=3) as running:
        os.environ["SLURM_CONF"] = str(running.config)
        yield running


def run(*words: object) -> float:
    """Run a command; returns the seconds that it took."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "hpcsim", *map(str, words)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def study(folder: Path, name: str, points: int, **more) -> object:
    import hpcsim

    os.environ["PYTHONPATH"] = str(HERE)
    sys.path.insert(0, str(HERE))
    return hpcsim.Study(
        name,
        "slurm_models:work",
        space={"x": {"linspace": [0, points - 1, points]}},
        fixed={"turns": more.pop("turns", 0)},
        **more,
    ), folder / name


def wait_for(running, every: float = 0.1) -> None:
    while running.queue():
        time.sleep(every)


def submitting(folder: Path) -> None:
    """Seconds of planning, and of submitting after it, with the number of sbatch calls."""
    from hpcsim.scheduler.prepare import prepare
    from hpcsim.scheduler.queue import commands as queue
    from hpcsim.scheduler.site.site import Site, resolve
    from hpcsim.scheduler.slurm.prepared import prepare_submission, submit_prepared

    calls = []
    once = queue.Slurm._once

    def counted(self, command, text):
        calls.append(command[0])
        return once(self, command, text)

    queue.Slurm._once = counted
    with cluster(folder):
        made, place = study(folder, "many", 10_000, resources={"task_size": 10})
        directory = made.directory(place)
        prepare(made, directory)
        slurm, settings = queue.Slurm(), resolve(Site(name="here"), made.file.resources)
        began = time.perf_counter()
        drawn = prepare_submission(made, directory, settings, slurm)
        planned = time.perf_counter()
        calls.clear()
        submission = submit_prepared(drawn, slurm)
        ended = time.perf_counter()
        slurm.cancel(submission.jobs)
    tasks = len(submission.tasks)
    print(f"10 000 points as {tasks} tasks: planned in {planned - began:.2f} s, submitted in {ended - planned:.2f} s")
    print(f"calls of Slurm's commands: {calls.count('sbatch')} sbatch (target 10), {len(calls)} in all")


def doing_nothing(folder: Path, points: int = 200) -> None:
    """Wall time from submission to results: packed tasks, and an element a point."""
    with cluster(folder) as running:
        ours = []
        for turn in range(3):
            made, place = study(folder, f"packed{turn}", points)
            directory = made.directory(place)
            directory.open(made.to_toml(), made.recipe, made.name)
            began = time.perf_counter()
            run("submit", place)
            while not directory.results.exists() or running.queue():
                time.sleep(0.05)
            ours.append(time.perf_counter() - began)
        made, place = study(folder, "elements", points)
        directory = made.directory(place)
        directory.open(made.to_toml(), made.recipe, made.name)
        script = folder / "elements.job"
        arguments = f"-m hpcsim task {place} $SLURM_ARRAY_TASK_ID --size 1"
        script.write_text(ELEMENT.format(last=points - 1, folder=folder, python=sys.executable, program="", arguments=arguments))
        began = time.perf_counter()
        running.ask("sbatch", str(script))
        wait_for(running)
        run("collect", place)
        theirs = time.perf_counter() - began
    best = sorted(ours)[1]
    print(f"{points} points that do nothing: packed {best:.1f} s (median of 3), an element a point {theirs:.1f} s")
    print(f"{theirs / best:.1f} times faster (target 20)")


def overhead(folder: Path, seconds: float, turns_each: int) -> None:
    """CPU of a sweep beside that of a hand-written array with the same function, the same tasks and nothing else."""
    from slurm_models import turn_for

    notes = folder / "notes"
    python = folder / "python"
    python.write_text(PYTHON.format(python=sys.executable, notes=notes))
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    tasks, points = 10, 200
    turns = turn_for(seconds / points)
    with cluster(folder) as running:
        (folder / "here.toml").write_text(f'python = "{python}"\n')
        taken = {"hpcsim": [], "by hand": []}
        for turn in range(turns_each):
            made, place = study(folder, f"sweep{turn}", points, turns=turns, resources={"task_size": points // tasks})
            directory = made.directory(place)
            directory.open(made.to_toml(), made.recipe, made.name)
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            run("submit", place, "--site", folder / "here.toml")
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            while not directory.results.exists() or running.queue():
                time.sleep(0.5)
            taken["hpcsim"].append(noted(notes) + after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
            script = folder / "hand.job"
            words = f"$SLURM_ARRAY_TASK_ID {points // tasks} {turns} {folder}/hand{turn}"
            script.write_text(
                ELEMENT.format(last=tasks - 1, folder=folder, python=python, program=HERE / "slurm_models.py", arguments=words)
            )
            (folder / f"hand{turn}").mkdir()
            running.ask("sbatch", str(script))
            wait_for(running, 0.5)
            taken["by hand"].append(noted(notes))
    ours, theirs = (min(values) for values in taken.values())
    print(f"CPU of {points} points in {tasks} tasks: hpcsim {ours:.1f} s, by hand {theirs:.1f} s")
    print(f"overhead {100 * (ours / theirs - 1):+.2f} % (target 3)")
    print({name: [round(value, 1) for value in values] for name, values in taken.items()})


def noted(notes: Path) -> float:
    """CPU seconds that the jobs noted since the last time."""
    total = 0.0
    for line in notes.read_text().splitlines():
        for word in line.split():
            minutes, rest = word.rstrip("s").split("m")
            total += 60 * float(minutes) + float(rest)
    notes.unlink()
    return total


if __name__ == "__main__":
    what = sys.argv[1] if len(sys.argv) > 1 else "submit"
    with tempfile.TemporaryDirectory(prefix="hpcsim-bench-") as name:
        if what == "submit":
            submitting(Path(name))
        elif what == "noop":
            doing_nothing(Path(name))
        else:
            given = sys.argv[2:] or ["600", "2"]
            overhead(Path(name), float(given[0]), int(given[1]))
