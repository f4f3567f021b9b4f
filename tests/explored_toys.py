"""A model whose parameters and outputs have every type, and names that are markup, for the page with the points of a study."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

import hpcsim
from hpcsim import Coordinate, Output, Parameter, model
from hpcsim.report.explore import explorer_section
from hpcsim.workflow.reporting import standing

EVIL = "<img src=x onerror=alert(1)>"
SPACE = {"a": [1.0, 2.0, 3.0, 4.0], "b": [0.5, 1.0, 2.0]}


@model(
    "explored.toy",
    parameters=[
        Parameter("kind", EVIL, choices=(EVIL, "$$b$$", "")),
        Parameter("on", True),
        Parameter("taus", (1.0, 2.0), "ms"),
        Parameter("g", 1.0, "nS"),
        Parameter("broken", False),
    ],
    outputs=[
        Output("rate", unit="Hz"),
        Output("shape", ("feature",)),
        Output("v", ("time",), "mV", description=EVIL),
        Output("density", ("channel", "frequency"), "mV"),
        Output("spikes", ("spike",), "ms", ragged=True),
        Output("matrix", ("channel", "channel_2"), "mV"),
        Output("profile", ("feature",), "mV", drawn_as="trace"),
    ],
    coordinates=lambda values: {
        "feature": Coordinate(np.array([EVIL, "b"])),
        "time": Coordinate(np.arange(1000.0), "ms"),
        "channel": Coordinate(np.arange(5.0), "um"),
        "channel_2": Coordinate(np.arange(5.0), "um"),
        "frequency": Coordinate(np.arange(50.0), "Hz"),
    },
)
def toy(point, context):
    """A rate that is no number where it is off, a short spike in a long trace, and no or many spikes."""
    if point["broken"]:
        raise ValueError(EVIL)
    v = np.full(1000, -70.0)
    v[503] = 40.0
    return {
        "rate": 2 * point["g"] if point["on"] else np.nan,
        "shape": np.array([point["g"], np.inf]),
        "v": v,
        "density": np.ones((5, 50)),
        "matrix": np.ones((5, 5)),
        "profile": np.zeros(2),
        "spikes": np.linspace(0, 900, 5000) if point["on"] else np.empty(0),
    }


def odd(folder: Path, **more: Any) -> Path:
    """The page of a study of this model."""
    space = {"kind": [EVIL, "$$b$$", ""], "on": [True, False], "taus": [[1.0, 2.0], [3.0, 4.0]], "g": {"logspace": [0.01, 10, 3]}}
    study = hpcsim.Study("odd", "explored_toys:toy", **{"space": space, "replicates": 2, "description": EVIL, **more})
    study.run("inline", folder).close()
    return page_of(study, folder)


def page_of(study: hpcsim.Study, folder: Path) -> Path:
    """The page of a study, without the figures of its report."""
    directory = study.directory(folder)
    missing: list[str] = []
    with ExitStack() as stack:
        results = stack.enter_context(hpcsim.open(folder)) if directory.results.exists() else None
        explorer_section(study, results, standing(study, directory, missing), directory.report)
    return folder / "explore.html"


def squares(**more: Any) -> hpcsim.Study:
    """A grid of 12 points, of which the three of the largest a fail."""
    return hpcsim.Study("squares", "drawn_toys:toy", **{"space": SPACE, "fixed": {"edge": 3.5}, "seed": 7, **more})


def held(page: Path, id: str) -> Any:
    """What the page holds as JSON."""
    return json.loads(re.search(rf'<script type="application/json" id="{id}">(.*?)</script>', page.read_text(), re.S)[1])
