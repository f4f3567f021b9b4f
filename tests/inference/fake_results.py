"""Results without a file: what inference and report use, from tables in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hpcsim.errors import ResultsError


@dataclass
class FakeResults:
    """Points by id, with their status; features are kept for the ok ones alone."""

    parameters: pd.DataFrame
    outputs: Mapping[str, pd.DataFrame]
    status: Sequence[str] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    study: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, Any] = field(default_factory=dict)
    path: Path = Path("results.h5")

    def __post_init__(self) -> None:
        self.status = list(self.status or ["ok"] * len(self.parameters))

    @property
    def _ok(self) -> pd.Index:
        return self.parameters.index[[word == "ok" for word in self.status]].sort_values()

    @property
    def records(self) -> pd.DataFrame:
        wall = 1.0 + np.arange(len(self)) / len(self)
        columns = {"status": self.status, "wall_time": wall, "cpu_time": wall * 0.5, "host": "node1"}
        return pd.DataFrame(columns, index=self.parameters.index)

    @property
    def failures(self) -> pd.DataFrame:
        failed = self.parameters[[word != "ok" for word in self.status]]
        words = [word for word in self.status if word != "ok"]
        return failed.assign(status=words, error="the membrane <b>diverged</b>")

    @property
    def counts(self) -> dict[str, int]:
        return {word: self.status.count(word) for word in ("ok", "failed", "crashed", "timeout")}

    def features(self, outputs: Sequence[str]) -> pd.DataFrame:
        for name in outputs:
            if name not in self.outputs:
                raise ResultsError(f'the output "{name}" is no feature')
        return pd.concat([self.outputs[name] for name in outputs], axis=1).loc[self._ok]

    def theta(self, names: Sequence[str] | None = None) -> pd.DataFrame:
        columns = list(self.parameters.columns)
        # as in real results, a list is named as a whole and has a column an entry
        chosen = columns if names is None else [c for name in names for c in columns if c.split(".")[0] == name]
        return self.parameters[chosen].loc[self._ok]

    def __len__(self) -> int:
        return len(self.parameters)


def gaussian(n: int = 200, dims: int = 3, noise: float = 0.1, seed: int = 0) -> FakeResults:
    """The linear Gaussian toy: x = theta + 1 + noise * N(0, 1), so that no MSE can be lower than noise**2."""
    rng = np.random.default_rng(seed)
    ids = [f"{i:032x}" for i in range(n)]
    theta = rng.uniform(-2, 2, (n, dims))
    x = theta + 1 + noise * rng.standard_normal((n, dims))
    parameters = pd.DataFrame(theta, ids, [f"theta_{k}" for k in range(dims)]).assign(dt=0.1, solver="cvode")
    return FakeResults(
        parameters,
        {"x": pd.DataFrame(x, ids, [f"x.{k}" for k in range(dims)])},
        units={f"theta_{k}": "nA" for k in range(dims)},
        study={
            "study": {"name": "toy", "model": "toy.gauss", "seed": 1, "replicates": 1},
            "space": {"theta_0": {"uniform": [-2, 2]}},
            "outputs": {"keep": ["x", "spike_times"]},
        },
        versions={"pycatch22": "1.0.2", "python": "3.12"},
    )
