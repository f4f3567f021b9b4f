"""Diagnostics of a posterior: calibration, coverage, and how well re-simulations meet the observations."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.inference.observations import feature_values

if TYPE_CHECKING:
    from pandas import DataFrame

    from hpcsim.inference.method import ResultsLike
    from hpcsim.inference.posterior import Posterior


@dataclass(frozen=True, eq=False)
class Calibration:
    """Where the truth ranks among posterior samples; uniform when the posterior is right.

    Parameters
    ----------
    ranks : DataFrame, shape (simulations, parameters)
        From 0 to `samples`: simulation-based calibration (Talts et al. 2018).
    coverage : ndarray, shape (simulations,)
        Rank of the truth by its density: expected coverage (Deistler et al. 2022).
    samples : int
    """

    ranks: DataFrame
    coverage: np.ndarray
    samples: int

    def table(self) -> DataFrame:
        """p-value of uniform ranks by parameter and of the coverage (Kolmogorov-Smirnov, of sbi), and mean ranks.

        Returns
        -------
        DataFrame, shape (parameters + 1, 2)
        """
        import pandas
        import torch
        from sbi.diagnostics.sbc import check_uniformity_frequentist

        every = np.column_stack([self.ranks.to_numpy(), self.coverage])
        p = check_uniformity_frequentist(torch.as_tensor(every, dtype=torch.float32), self.samples).numpy()
        names = [*self.ranks.columns, "coverage"]
        return pandas.DataFrame({"p uniform": p, "mean rank": every.mean(axis=0) / self.samples}, index=names)

    def covered(self, levels: Sequence[float] = (0.5, 0.8, 0.95)) -> DataFrame:
        """Share of the truths within the regions of highest density of some levels.

        Returns
        -------
        DataFrame, shape (levels, 1)
        """
        import pandas

        # a truth that is denser than a share c of the samples lies in every region of level 1 - c or more
        outside = 1 - self.coverage / self.samples
        found = [float((outside <= level).mean()) for level in levels]
        return pandas.DataFrame({"covered": found}, index=pandas.Index(list(levels), name="level"))


class _Sampled:
    """A posterior in the form that sbi's diagnostics call."""

    def __init__(self, posterior: Posterior, seed: int) -> None:
        self.posterior, self.seed = posterior, seed

    def _table(self, x: Any) -> DataFrame:
        import pandas

        return pandas.DataFrame(x.reshape(-1, x.shape[-1]).numpy(), columns=list(self.posterior.features))

    def sample_batched(self, shape: tuple[int], x: Any, **more: Any) -> Any:
        """Samples, shape (n, observations, parameters)."""
        import torch

        del more
        samples = self.posterior.sample(self._table(x), shape[0], self.seed)
        return torch.as_tensor(samples, dtype=torch.float32).transpose(0, 1)

    def density(self, theta: Any, x: Any) -> Any:
        """Log-density of some samples of one observation, shape (n,)."""
        import torch

        return torch.as_tensor(self.posterior.log_prob(theta.double().numpy()[None], self._table(x))[0])


def calibration(posterior: Posterior, theta: np.ndarray, x: np.ndarray, *, samples: int = 200, seed: int = 0) -> Calibration:
    """Simulation-based calibration and expected coverage, with sbi's ``run_sbc``.

    Parameters
    ----------
    posterior : Posterior
    theta : ndarray, shape (simulations, parameters)
        Parameters of simulations that the network was not trained on.
    x : ndarray, shape (simulations, features)
        Their features.
    samples : int
        Posterior samples of each simulation.
    seed : int

    Returns
    -------
    Calibration
        Without the simulations for which the posterior cannot be sampled.
    """
    import pandas
    import torch
    from sbi.diagnostics import run_sbc

    sampled = _Sampled(posterior, seed)
    table = pandas.DataFrame(x, columns=list(posterior.features))
    usable = posterior.acceptance(table, samples, seed) > 0.02
    truth, features = (torch.as_tensor(values[usable], dtype=torch.float32) for values in (theta, x))
    if not len(truth):
        raise ResultsError("calibration: the posterior cannot be sampled at any of the simulations; train it longer")
    names = list(posterior.parameters)
    marginals = [lambda some, _, k=k: some[:, k] for k in range(len(names))]
    with warnings.catch_warnings():
        # that there are fewer than 100 simulations or samples can be seen in the table
        warnings.filterwarnings("ignore", message="Number of .* should be on the order")
        ranks, _ = run_sbc(truth, features, sampled, samples, reduce_fns=[*marginals, sampled.density], show_progress_bar=False)
    return Calibration(pandas.DataFrame(ranks[:, :-1].numpy(), columns=names), ranks[:, -1].numpy(), samples)


def performance(observed: DataFrame, simulated: Mapping[str, DataFrame], scale: np.ndarray | None = None) -> DataFrame:
    """How well simulations meet observations, a row a set of simulations.

    The distance of Bernaerts et al. 2025: the Euclidean norm of the difference of all features, each divided by its
    standard deviation over the observations; a simulation with a feature that is not finite fails.

    Parameters
    ----------
    observed : DataFrame, shape (observations, features)
    simulated : mapping of str to DataFrame
        By a name, such as ``MAP``. The index of each is that of an observation, and may hold it several times; an
        observation that is not there fails, as one whose features are NaN.
    scale : ndarray, shape (features,), optional
        In place of the standard deviation of the observations.

    Returns
    -------
    DataFrame
        Columns ``simulations``, ``fail (%)``, ``distance mean``, ``distance sd`` and ``distance median``.

    Raises
    ------
    ResultsError
        If a feature is missing, or a simulation is of an observation that there is not.
    """
    import pandas

    features = [str(name) for name in observed.columns]
    values = feature_values(observed, features)
    sd = values.std(axis=0) if scale is None else np.asarray(scale)
    rows = {}
    for name, table in simulated.items():
        where = observed.index.get_indexer(table.index)
        if (where < 0).any():
            raise ResultsError(f'{name}: there is no observation "{table.index[where < 0][0]}"')
        missing = set(features) - set(map(str, table.columns))
        if missing:
            raise ResultsError(f"{name}: the features {', '.join(sorted(missing))} are missing")
        distance = np.linalg.norm((table[features].to_numpy(float) - values[where]) / sd, axis=1)
        # what is not there at all has failed as well
        lost = len(observed) - len(set(where.tolist()))
        good = distance[np.isfinite(distance)]
        rows[name] = {
            "simulations": len(distance) + lost,
            "fail (%)": 100 * (1 - len(good) / max(1, len(distance) + lost)),
            "distance mean": float(good.mean()) if len(good) else np.nan,
            "distance sd": float(good.std()) if len(good) else np.nan,
            "distance median": float(np.median(good)) if len(good) else np.nan,
        }
    return pandas.DataFrame.from_dict(rows, orient="index")


def follow_up(results: ResultsLike, theta: DataFrame, name: str) -> dict[str, Any]:
    """The tables of a study that simulates given parameters, otherwise as the study of some results.

    Parameters
    ----------
    results : ResultsLike
    theta : DataFrame, shape (simulations, parameters)
        Rows with NaN are left out, and equal rows are simulated once. Other columns are not looked at.
    name : str
        Of the new study.

    Returns
    -------
    dict
        As a study file holds them; ``tomli_w.dumps`` makes a file of it.

    Raises
    ------
    ResultsError
        If a parameter that the study varies is missing, or there is nothing to simulate.
    """
    study = results.study
    varied = _varied(study.get("space", {}))
    missing = [key for key in varied if key not in theta.columns]
    if missing:
        raise ResultsError(f"follow-up: the parameters {', '.join(missing)} are missing; the study varies {', '.join(varied)}")
    rows = theta[varied].dropna().drop_duplicates()
    if rows.empty:
        raise ResultsError("follow-up: there are no parameters to simulate")
    head = {**study["study"], "name": name, "replicates": 1}
    kept = {key: study[key] for key in ("fixed", "stages", "outputs", "resources") if key in study}
    return {"study": head, "space": {"zip": {key: rows[key].tolist() for key in varied}}, **kept}


def _varied(space: Mapping[str, Any]) -> list[str]:
    """Parameters that stand under ``[space]``."""
    groups = space.get("zip", {})
    zipped = [key for group in ([groups] if isinstance(groups, Mapping) else groups) for key in group]
    return [*(key for key in space if key != "zip"), *zipped]


def matched(results: ResultsLike, theta: DataFrame, outputs: Sequence[str]) -> DataFrame:
    """Features of the simulations that a follow-up study made, a row for each row of its parameters.

    Parameters
    ----------
    results : ResultsLike
        Of the follow-up.
    theta : DataFrame, shape (simulations, parameters)
        As it was given to `follow_up`.
    outputs : sequence of str

    Returns
    -------
    DataFrame, shape (simulations, features)
        With the index of `theta`; NaN where the simulation failed or is not there.
    """
    names = [name for name in results.theta().columns if name in theta.columns]
    features = results.features(outputs)
    simulated = results.theta(names).loc[features.index]
    rows = {key: row for row, key in enumerate(_keys(simulated))}
    where = np.array([rows.get(key, -1) for key in _keys(theta[names])], int)
    found = features.iloc[np.maximum(where, 0)].astype(float) if len(features) else features.reindex(range(len(theta)))
    found.index = theta.index
    found.loc[where < 0] = np.nan
    return found


def _keys(theta: DataFrame) -> list[tuple[str, ...]]:
    # a value that has been through a text file may differ in its last digit
    return [tuple(f"{value:.12g}" for value in row) for row in theta.to_numpy(float).tolist()]
