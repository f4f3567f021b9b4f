"""What can happen to a sweep on Slurm: to its jobs, their processes, the daemons of nodes and the controller."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from random import Random

import psutil
from fault_kinds import AT_HAND, INT, KILL, TERM, Fault, moment, signalled
from fault_sweep import FaultySweep, Outcome, line_of, send
from slurm_cluster import running_cluster

ON = ("slurm",)
#: Elements of an array run beside one another on three nodes of two cores: so many points they have at hand.
_AT_HAND = 3 * AT_HAND


def _at_work(sweep: FaultySweep, *words: str) -> list[psutil.Process]:
    """Processes of this sweep's jobs whose command line has these words."""
    found = []
    for process in psutil.process_iter():
        line = line_of(process)
        if all(word in line for word in (*words, str(sweep.folder))):
            found.append(process)
    return found


def _killed(*words: str, number: signal.Signals = KILL) -> Callable[[FaultySweep, Random], Outcome]:
    """A process of a job gets a signal."""

    def act(sweep: FaultySweep, random: Random) -> Outcome:
        driver = sweep.start()
        if "collect" not in words:
            moment(sweep, random, driver)
        while driver.poll() is None:
            if there := _at_work(sweep, *words):
                send(random.choice(there), number)
                break
            time.sleep(0.01)
        return sweep.until_success(driver)

    return act


def _jobs(sweep: FaultySweep, state: str = "") -> list[str]:
    """Jobs and elements of this cluster that are not over; it has none of others."""
    return [job for job, its, _ in running_cluster().queue() if state in ("", its)]


def _asked(*words: str, state: str = "RUNNING", rest: tuple[str, ...] = ()) -> Callable[[FaultySweep, Random], Outcome]:
    """Slurm is asked to do something to a job."""

    def act(sweep: FaultySweep, random: Random) -> Outcome:
        driver = sweep.start()
        moment(sweep, random, driver)
        while driver.poll() is None:
            if jobs := _jobs(sweep, state):
                job = random.choice(jobs)
                if rest:
                    running_cluster().ask(*words, f"JobId={job}", *rest)
                else:
                    running_cluster().ask(*words, job)
                break
            time.sleep(0.05)
        return sweep.until_success(driver)

    return act


def _node_down(sweep: FaultySweep, random: Random) -> Outcome:
    """The daemon of a node is killed with all that it started, and comes back."""
    cluster = running_cluster()
    driver = sweep.start()
    moment(sweep, random, driver)
    node = random.randrange(1, cluster.nodes + 1)
    pid = int((cluster.root / "run" / f"n{node}.pid").read_text())
    steps = [process for process in psutil.process_iter() if "slurmstepd" in line_of(process)]
    send(psutil.Process(pid), KILL)
    cluster.ask("scontrol", "update", f"NodeName=n{node}", "State=DOWN", "Reason=fault")
    for step in steps:
        with contextlib.suppress(psutil.Error):
            if f"n{node}" in step.environ().get("SLURMD_NODENAME", line_of(step)):
                for process in [*step.children(recursive=True), step]:
                    send(process, KILL)
    time.sleep(random.uniform(0, 2))
    cluster.ask("slurmd", "-N", f"n{node}", "-f", str(cluster.config))
    cluster.ask("scontrol", "update", f"NodeName=n{node}", "State=RESUME")
    return sweep.until_success(driver)


def _daemon_killed(sweep: FaultySweep, random: Random) -> Outcome:
    """The daemon of a node is killed; its jobs go on, and it comes back."""
    cluster = running_cluster()
    driver = sweep.start()
    moment(sweep, random, driver)
    node = random.randrange(1, cluster.nodes + 1)
    os.kill(int((cluster.root / "run" / f"n{node}.pid").read_text()), KILL)
    time.sleep(random.uniform(0, 3))
    cluster.ask("slurmd", "-N", f"n{node}", "-f", str(cluster.config))
    return sweep.until_success(driver)


def _controller_away(sweep: FaultySweep, random: Random) -> Outcome:
    """Slurmctld does not answer for some seconds."""
    cluster = running_cluster()
    driver = sweep.start()
    moment(sweep, random, driver)
    cluster.stop_controller()
    time.sleep(random.uniform(1, 8))
    cluster.start_controller()
    return sweep.until_success(driver)


FAULTS = {
    "driver SIGKILL": Fault(signalled(KILL), again=_AT_HAND, on=ON),
    "driver SIGTERM": Fault(signalled(TERM), again=_AT_HAND, on=ON),
    "driver Ctrl-C": Fault(signalled(INT), again=_AT_HAND, on=ON),
    "driver Ctrl-C three times": Fault(signalled(INT, INT, INT), again=_AT_HAND, on=ON),
    "task SIGKILL": Fault(_killed("hpcsim task"), again=_AT_HAND, on=ON),
    "task SIGTERM": Fault(_killed("hpcsim task", number=TERM), again=_AT_HAND, on=ON),
    "worker SIGKILL": Fault(_killed("hpcsim.scheduler.task.worker"), again=_AT_HAND, on=ON),
    "collector's job SIGKILL": Fault(_killed("hpcsim collect"), again=_AT_HAND, on=ON),
    "job cancelled": Fault(_asked("scancel"), again=_AT_HAND, on=ON),
    "waiting job cancelled": Fault(_asked("scancel", state="PENDING"), again=_AT_HAND, on=ON),
    "job requeued": Fault(_asked("scontrol", "requeue"), again=_AT_HAND, on=ON),
    "job over time": Fault(_asked("scontrol", "update", rest=("TimeLimit=1",)), again=_AT_HAND, on=ON),
    "node down": Fault(_node_down, again=_AT_HAND, on=ON),
    "slurmd SIGKILL": Fault(_daemon_killed, again=_AT_HAND, on=ON),
    "slurmctld away": Fault(_controller_away, again=_AT_HAND, on=ON),
}
