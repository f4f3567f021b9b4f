"""A model whose values can be foretold, and can be told to end its process as a kill from outside does."""

from __future__ import annotations

import signal

import numpy as np

from hpcsim import Output, Parameter, model

NAMES = ("a", "b", "c", "d", "e")
_left: list[int] = []


def stop_after(points: int | None) -> None:
    """The process gets SIGTERM while it simulates the point after so many; never, with None."""
    _left[:] = [] if points is None else [points]


def value(a: float, b: float, c: float, d: float, e: float) -> float:
    """What a point must give."""
    return a + 7 * b + 13 * c + 17 * d + 19 * e


@model(
    "life.line",
    parameters=[Parameter(name, 0.0) for name in NAMES],
    outputs=[Output("y"), Output("noise"), Output("train", ("event",), ragged=True)],
)
def line(point, context):
    """A sum, a number drawn from the seed, and as many events as the replicate says."""
    if _left:
        _left[0] -= 1
        if _left[0] < 0:
            _left.clear()
            signal.raise_signal(signal.SIGTERM)
    y = value(*(point[name] for name in NAMES))
    return {"y": y, "noise": np.random.default_rng(point.seed).random(), "train": np.full(point.replicate % 3, y)}
