"""A model that ends, or leaves its process, in every way that a model can."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from asyncio import CancelledError

import numpy as np

from hpcsim import Output, Parameter, model
from hpcsim.errors import Interrupted


class Ended(BaseException):
    """No Exception: those who catch everything do not catch it."""


class Mute(Exception):
    """Cannot say what it is."""

    def __str__(self) -> str:
        raise ValueError("no words")


def _raise(error: BaseException) -> None:
    raise error


def _recurse(depth: int = 0) -> int:
    return 1 + _recurse(depth + 1)


def _close_descriptors() -> None:
    os.close(1)
    os.close(2)


def _go_to_a_folder_that_vanishes() -> None:
    os.mkdir("gone")
    os.chdir("gone")
    os.rmdir(os.getcwd())


def _leave_a_thread() -> None:
    threading.Thread(target=time.sleep, args=(3600,)).start()


def _fork(seconds: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        child = os.fork()
    if not child:
        # with 0 it comes back from the call, as if it were the worker
        time.sleep(seconds)
    else:
        # for the test to look at
        print("child", child)


def _hang_deaf() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    thread = threading.Thread(target=time.sleep, args=(3600,))
    thread.start()
    thread.join()


#: The point fails and says why.
RAISING = {
    "exit_code": (lambda: sys.exit(3), "SystemExit: 3"),
    "exit_0": (lambda: sys.exit(0), "SystemExit: 0"),
    "exit_none": (lambda: sys.exit(), "SystemExit"),
    "exit_text": (lambda: sys.exit("no such channel"), "SystemExit: no such channel"),
    "keyboard": (lambda: _raise(KeyboardInterrupt()), "KeyboardInterrupt"),
    "base": (lambda: _raise(Ended("over")), "Ended: over"),
    "generator": (lambda: _raise(GeneratorExit()), "GeneratorExit"),
    "cancelled": (lambda: _raise(CancelledError()), "CancelledError"),
    "interrupted": (lambda: _raise(Interrupted("enough")), "enough"),
    "recursion": (_recurse, "RecursionError: maximum recursion depth exceeded"),
    "memory": (lambda: np.ones(2**58), "MemoryError"),
    "mute": (lambda: _raise(Mute()), "Mute: its text cannot be made (ValueError)"),
    "nul": (lambda: _raise(ValueError("a\0b \udcff")), "ValueError: a\\0b \\udcff"),
    "long": (lambda: _raise(ValueError("begin " + "x" * 10**6 + " end")), "ValueError: begin"),
}
#: The point succeeds, and what it has done to the process harms no other.
LEAVING = {
    "thread": _leave_a_thread,
    "stdout": lambda: sys.stdout.close(),
    "stderr": lambda: sys.stderr.close(),
    "no_streams": lambda: (setattr(sys, "stdout", None), setattr(sys, "stderr", None)),
    "descriptors": _close_descriptors,
    "chdir": lambda: os.chdir("/"),
    "vanished": _go_to_a_folder_that_vanishes,
    "deaf": lambda: [signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)],
    "alarm": lambda: signal.setitimer(signal.ITIMER_REAL, 0.001),
    "shallow": lambda: sys.setrecursionlimit(80),
    "numpy": lambda: np.seterr(all="raise"),
    "mask": lambda: os.umask(0o777),
    "child": lambda: _fork(3600),
    "second": lambda: _fork(0),
}
#: The process ends.
DYING = {
    "quit_0": (lambda: os._exit(0), "exit code 0"),
    "quit_2": (lambda: os._exit(2), "exit code 2"),
    "quit_3": (lambda: os._exit(3), "exit code 3"),
    "abort": (lambda: (print("what(): bad weight"), os.abort()), "SIGABRT: what(): bad weight"),
    "segv": (lambda: os.kill(os.getpid(), signal.SIGSEGV), "SIGSEGV"),
    "term": (lambda: (os.kill(os.getpid(), signal.SIGTERM), time.sleep(5)), "ended by SIGTERM"),
}


def _kill_the_task(where: str, once: bool) -> None:
    with open(where, "a") as file:
        file.write("killed\n")
    with open(where) as file:
        if not once or len(file.readlines()) == 1:
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)


def _talk(megabytes: int) -> None:
    for number in range(megabytes * 10):
        print(f"chatter {number}\n" + "x" * 100_000)
    print("the very last words")


#: It never ends.
HANGING = {"hang": lambda: threading.Event().wait(), "hang_deaf": _hang_deaf}

#: It prints more than a log may hold.
LOUD = {"loud": lambda: _talk(25), "loud_death": lambda: (_talk(25), os.abort())}

WAYS = {name: way for name, (way, _) in (RAISING | DYING).items()} | LEAVING | HANGING | LOUD


def ways(*groups: dict) -> list[str]:
    """Ways to end, an ordinary point after each."""
    return [name for group in groups for way in group for name in (way, f"after_{way}")]


@model(
    "endings.ends",
    parameters=[Parameter("how", "fine"), Parameter("where", "")],
    outputs=[Output("length")],
)
def ends(point, context):
    """Ends as it is told."""
    if point["how"].startswith("kill_task"):
        _kill_the_task(point["where"], point["how"] == "kill_task_once")
    WAYS.get(point["how"], lambda: None)()
    return {"length": float(len(point["how"]))}


@model("endings.batch", parameters=[Parameter("how", "fine")], outputs=[Output("length")], batch=64)
def batch(points, context):
    """Many points a call; each ends as it is told."""
    for point in points:
        WAYS.get(point["how"], lambda: None)()
    return {"length": np.array([float(len(point["how"])) for point in points])}


_PROGRAM = "import sys; sys.stderr.write('reading mesh\\nmesh.c:12: negative volume\\n'); sys.exit(4)"


@model("endings.talks", parameters=[Parameter("k", 0), Parameter("how", "")], outputs=[Output("y")])
def talks(point, context):
    """Prints, and fails for odd k in a way of its own."""
    k = point["k"]
    print(f"point {k} speaks")
    if k % 2 and point["how"] == "program":
        subprocess.run([sys.executable, "-c", _PROGRAM], check=True)
    if k % 2 and point["how"] == "captured":
        subprocess.run([sys.executable, "-c", _PROGRAM], check=True, capture_output=True)
    if k % 2 and point["how"] == "dies":
        os.kill(os.getpid(), signal.SIGSEGV)
    if k % 2:
        raise ValueError(f"no solution of {k + 0.5} in /tmp/work{k}abc/out.dat\n\x1b[31m")
    return {"y": float(k)}
