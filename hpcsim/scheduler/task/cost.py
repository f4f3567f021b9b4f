"""What simulating takes: wall and CPU time, and memory."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """What a batch took: seconds, and MB."""

    wall: float = 0.0
    cpu: float = 0.0
    peak_memory: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.wall + other.wall, self.cpu + other.cpu, self.peak_memory + other.peak_memory)


class Stopwatch:
    """Wall and CPU time of a piece of work with the programs that it ran, and the process's peak memory in MB."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), _cpu_seconds()

    def read(self) -> Cost:
        """Since the stopwatch was made."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return Cost(time.perf_counter() - self._wall, _cpu_seconds() - self._cpu, peak)


def _cpu_seconds() -> float:
    """CPU time of this process and of its children that have ended: Brian2's compiled programs are such children."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
