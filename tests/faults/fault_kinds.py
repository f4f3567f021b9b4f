"""What can happen to a sweep: each kind gets the sweep and a source of random moments, and tells what it left."""

from __future__ import annotations

import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from fault_sweep import POINTS, TASK_SIZE, WORKERS, FaultySweep, Outcome, length, send
from faulty_disk import disk_operations, full_disk

from hpcsim.collector.shard import shard_files

#: What workers had at hand when something ended: their tasks' points.
AT_HAND = TASK_SIZE * WORKERS
KILL, TERM, INT, HUP = signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP
EVERYWHERE = ("inline", "local", "dask")
WITH_TASKS = ("local", "dask")


@dataclass(frozen=True)
class Fault:
    """A kind of fault.

    Parameters
    ----------
    act : callable
        Lets it happen to a sweep, and tells the outcome.
    again : int
        So many points may be simulated again.
    on : tuple of str
        Executors that it can happen to.
    """

    act: Callable[[FaultySweep, Random], Outcome]
    again: int = AT_HAND
    on: tuple[str, ...] = EVERYWHERE


def moment(sweep: FaultySweep, random: Random, process: subprocess.Popen[bytes]) -> None:
    """Wait for a moment of the sweep, each alike."""
    until = time.monotonic() + random.uniform(0.02, 1.0) * length(sweep.on)
    while time.monotonic() < until and process.poll() is None:
        time.sleep(0.005)


def signalled(*numbers: signal.Signals) -> Callable[[FaultySweep, Random], Outcome]:
    """The driver gets signals, a little apart."""

    def act(sweep: FaultySweep, random: Random) -> Outcome:
        driver = sweep.start()
        moment(sweep, random, driver)
        for number in numbers:
            send(driver, number)
            time.sleep(random.uniform(0, 0.3))
        return sweep.until_success(driver)

    return act


def _part_signalled(role: str, number: signal.Signals) -> Callable[[FaultySweep, Random], Outcome]:
    """A process below the driver gets a signal."""

    def act(sweep: FaultySweep, random: Random) -> Outcome:
        driver = sweep.start()
        moment(sweep, random, driver)
        while driver.poll() is None:
            if there := sweep.processes(role, driver):
                send(random.choice(there), number)
                break
            time.sleep(0.01)
        return sweep.until_success(driver)

    return act


def _stopped(role: str, seconds: float = 3.0) -> Callable[[FaultySweep, Random], Outcome]:
    """A process stands still for a while: a laptop that sleeps, a batch system that suspends."""

    def act(sweep: FaultySweep, random: Random) -> Outcome:
        driver = sweep.start()
        moment(sweep, random, driver)
        there = [driver] if role == "driver" else sweep.processes(role, driver)
        for process in there[:1]:
            send(process, signal.SIGSTOP)
            time.sleep(seconds)
            send(process, signal.SIGCONT)
        return sweep.until_success(driver)

    return act


def _beside(*words: str, times: int = 3) -> Callable[[FaultySweep, Random], Outcome]:
    """Other commands on the same study meanwhile; what they say does not matter, what they do must not harm."""

    def act(sweep: FaultySweep, random: Random) -> Outcome:
        driver = sweep.start()
        moment(sweep, random, driver)
        others = [sweep.command(*words) for _ in range(times)]
        outcome = sweep.until_success(driver)
        for other in others:
            other.wait(300)
        return sweep.outcome() if outcome.commands == 1 else outcome

    return act


def _full(sweep: FaultySweep, random: Random) -> Outcome:
    """The disk is full after some bytes, and has room again when the user comes back."""
    with TemporaryDirectory() as work:
        driver = sweep.start(full_disk(Path(work), sweep.folder, random.randrange(2_000, 150_000)))
        sweep.ended(driver)
        return sweep.until_success(sweep.start())


def _between_writes(sweep: FaultySweep, random: Random) -> Outcome:
    """Each process dies before its n-th operation on the disk: tasks, workers, and the driver that collects."""
    with TemporaryDirectory() as work:
        variables = {**disk_operations(Path(work), sweep.folder), "KILL_AT": str(random.randrange(1, 150))}
        sweep.ended(sweep.start(variables))
        return sweep.until_success(sweep.start())


def _limited(which: int, low: int, high: int) -> Callable[[FaultySweep, Random], Outcome]:
    """A limit of the system that is too low, and is raised when the user comes back."""

    def act(sweep: FaultySweep, random: Random) -> Outcome:
        sweep.ended(sweep.start(limits={which: random.randrange(low, high)}))
        return sweep.until_success(sweep.start())

    return act


def _damaged(harm: Callable[[Path, Random], None], *, results: bool = False) -> Callable[[FaultySweep, Random], Outcome]:
    """A driver is killed, and a file that it left is harmed before the user goes on."""

    def act(sweep: FaultySweep, random: Random) -> Outcome:
        driver = sweep.start()
        if not results:
            moment(sweep, random, driver)
            send(driver, KILL)
        driver.wait(300)
        _wait_for_silence(sweep)
        files = [sweep.directory / "results.h5"] if results else [*shard_files(sweep.directory / "shards")]
        for path in files[:1]:
            if path.exists():
                harm(path, random)
        return sweep.until_success(sweep.start())

    return act


def _wait_for_silence(sweep: FaultySweep) -> None:
    """Until the tasks of a killed driver have ended, too."""
    sweep.left(60)


def _truncate(path: Path, random: Random) -> None:
    with path.open("r+b") as file:
        file.truncate(random.randrange(path.stat().st_size))


def _flip(path: Path, random: Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(3):
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    path.write_bytes(content)


def _foreign(sweep: FaultySweep, random: Random) -> Outcome:
    """Shards of another recipe lie among ours."""
    with TemporaryDirectory() as folder:
        other = FaultySweep(Path(folder), "inline")
        text = (other.folder / "faulty.py").read_text()
        (other.folder / "faulty.py").write_text(text.replace("** 2", "** 3"))
        stopped = other.start()
        while not (shards := [*shard_files(other.directory / "shards")]) and stopped.poll() is None:
            time.sleep(0.01)
        kept = [(path.name, path.read_bytes()) for path in shards if path.exists()]
        send(stopped, INT)
        stopped.wait(300)
    driver = sweep.start()
    moment(sweep, random, driver)
    while not (sweep.directory / "shards").exists() and driver.poll() is None:
        time.sleep(0.01)
    for name, content in kept:
        (sweep.directory / "shards" / name).write_bytes(content)
    outcome = sweep.until_success(driver)
    # where they came after the last collection of the sweep
    sweep.command("collect", "faulty.toml").wait(300)
    return replace(sweep.outcome(), commands=outcome.commands)


def _moved(sweep: FaultySweep, random: Random) -> Outcome:
    """The directory is moved after a kill, and moved back: what lies in it holds no place."""
    driver = sweep.start()
    moment(sweep, random, driver)
    send(driver, KILL)
    driver.wait(300)
    _wait_for_silence(sweep)
    if sweep.directory.exists():
        away = sweep.folder / "away"
        shutil.copytree(sweep.directory, away)
        shutil.rmtree(sweep.directory)
        away.rename(sweep.directory)
    return sweep.until_success(sweep.start())


FAULTS = {
    "driver SIGKILL": Fault(signalled(KILL)),
    "driver SIGTERM": Fault(signalled(TERM)),
    "driver SIGHUP": Fault(signalled(HUP)),
    "driver Ctrl-C": Fault(signalled(INT)),
    "driver Ctrl-C twice": Fault(signalled(INT, INT)),
    "driver Ctrl-C three times": Fault(signalled(INT, INT, INT)),
    "driver SIGTERM, then SIGKILL": Fault(signalled(TERM, KILL)),
    "driver SIGSTOP, SIGCONT": Fault(_stopped("driver"), again=0),
    "task SIGKILL": Fault(_part_signalled("task", KILL), on=WITH_TASKS),
    "task SIGTERM": Fault(_part_signalled("task", TERM), on=WITH_TASKS),
    "task SIGSTOP, SIGCONT": Fault(_stopped("task"), on=WITH_TASKS),
    "worker SIGKILL": Fault(_part_signalled("worker", KILL), on=WITH_TASKS),
    "worker SIGSTOP, SIGCONT": Fault(_stopped("worker"), on=WITH_TASKS),
    "fork server SIGKILL": Fault(_part_signalled("fork server", KILL), on=WITH_TASKS),
    "Dask worker SIGKILL": Fault(_part_signalled("dask worker", KILL), on=("dask",)),
    "Dask worker SIGTERM": Fault(_part_signalled("dask worker", TERM), on=("dask",)),
    "Dask worker SIGSTOP, SIGCONT": Fault(_stopped("dask worker"), on=("dask",)),
    "a second driver": Fault(_beside("run", "faulty.toml", times=1), again=0),
    "collectors beside": Fault(_beside("collect", "faulty.toml"), again=0),
    "readers beside": Fault(_beside("status", "faulty.toml"), again=0),
    "disk full": Fault(_full, again=POINTS),
    "death between two writes": Fault(_between_writes, again=POINTS),
    "few file descriptors": Fault(_limited(resource.RLIMIT_NOFILE, 12, 60), again=POINTS),
    "little memory": Fault(_limited(resource.RLIMIT_AS, 100 << 20, 900 << 20), again=POINTS),
    "shard truncated": Fault(_damaged(_truncate), again=AT_HAND + TASK_SIZE),
    "shard flipped": Fault(_damaged(_flip), again=AT_HAND + TASK_SIZE),
    "shards of another recipe": Fault(_foreign, again=0),
    "results truncated": Fault(_damaged(_truncate, results=True), again=POINTS),
    "results flipped": Fault(_damaged(_flip, results=True), again=POINTS),
    "directory moved": Fault(_moved),
}
