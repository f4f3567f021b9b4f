"""Posterior predictive checks: parameters are simulated again, and how far that is from the observations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.inference.inputs import ResultsLike, Simulate
from hpcsim.inference.observations import feature_values

if TYPE_CHECKING:
    from pandas import DataFrame

# equal values that were computed in another order
_ROUNDING = 1e-12


def distances(observed: DataFrame, simulated: DataFrame, scale: np.ndarray | None = None) -> np.ndarray:
    """How far simulations are from their observations.

    The distance of Bernaerts et al. 2025: the Euclidean norm of the difference of all features, each divided by its
    standard deviation over the observations.

    Parameters
    ----------
    observed : DataFrame, shape (observations, features)
    simulated : DataFrame, shape (simulations, features)
        The index is that of an observation, and may hold it several times.
    scale : ndarray, shape (features,), optional
        In place of the standard deviation of the observations; where it is infinite, a feature counts for nothing. The
        standard deviation of equal values counts as infinite.

    Returns
    -------
    ndarray, shape (simulations,)
        Not finite where a feature is not.

    Raises
    ------
    ResultsError
        If a feature is missing, or a simulation is of an observation that there is not.
    """
    features = [str(name) for name in observed.columns]
    values = feature_values(observed, features)
    where = observed.index.get_indexer(simulated.index)
    if (where < 0).any():
        raise ResultsError(f'there is no observation "{simulated.index[where < 0][0]}"')
    missing = set(features) - set(map(str, simulated.columns))
    if missing:
        raise ResultsError(f"the features {', '.join(sorted(missing))} are missing")
    sd = spread(values) if scale is None else np.asarray(scale)
    if not np.isfinite(sd).any():
        raise ResultsError(
            f"{len(values)} observations do not differ in any feature, so there is no spread to measure a distance in; "
            "take that of the simulations"
        )
    found: np.ndarray = np.linalg.norm((simulated[features].to_numpy(float) - values[where]) / sd, axis=1)
    return found


def spread(values: np.ndarray) -> np.ndarray:
    """Standard deviation of each column; infinite where all values are equal, since nothing can be measured by it.

    Parameters
    ----------
    values : ndarray, shape (n, columns)

    Returns
    -------
    ndarray, shape (columns,)
    """
    differs = np.ptp(values, axis=0) > _ROUNDING * np.abs(values).max(axis=0)
    return np.where(differs, values.std(axis=0), np.inf)


def performance(observed: DataFrame, simulated: Mapping[str, DataFrame], scale: np.ndarray | None = None) -> DataFrame:
    """How well simulations meet observations, a row a set of simulations.

    Parameters
    ----------
    observed : DataFrame, shape (observations, features)
    simulated : mapping of str to DataFrame
        By a name, such as ``MAP``; each as in `distances`. A simulation with a feature that is not finite fails; an
        observation that is not there fails, as one whose features are NaN.
    scale : ndarray, shape (features,), optional
        As in `distances`.

    Returns
    -------
    DataFrame
        Columns ``simulations``, ``fail (%)``, ``distance mean``, ``distance sd`` and ``distance median``.

    Raises
    ------
    ResultsError
        As `distances`, with the name of the set.
    """
    import pandas

    rows = {}
    for name, table in simulated.items():
        try:
            distance = distances(observed, table, scale)
        except ResultsError as error:
            raise ResultsError(f"{name}: {error}") from error
        # what is not there at all has failed as well
        lost = len(observed) - len(set(table.index))
        good = distance[np.isfinite(distance)]
        rows[name] = {
            "simulations": len(distance) + lost,
            "fail (%)": 100 * (1 - len(good) / max(1, len(distance) + lost)),
            "distance mean": float(good.mean()) if len(good) else np.nan,
            "distance sd": float(good.std()) if len(good) else np.nan,
            "distance median": float(np.median(good)) if len(good) else np.nan,
        }
    return pandas.DataFrame.from_dict(rows, orient="index")


def follow_up(results: ResultsLike, theta: DataFrame, name: str, seed: int | None = None) -> dict[str, Any]:
    """The tables of a study that simulates given parameters, otherwise as the study of some results.

    Parameters
    ----------
    results : ResultsLike
    theta : DataFrame, shape (simulations, parameters)
        Rows with NaN are left out, and equal rows are simulated once. Other columns are not looked at.
    name : str
        Of the new study.
    seed : int, optional
        Another than that of the study, for other noise.

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
    names = varied(study.get("space", {}))
    missing = [key for key in names if key not in theta.columns]
    if missing:
        raise ResultsError(f"follow-up: the parameters {', '.join(missing)} are missing; the study varies {', '.join(names)}")
    rows = theta[names].dropna().drop_duplicates()
    if rows.empty:
        raise ResultsError("follow-up: there are no parameters to simulate")
    return {"space": {"zip": {key: rows[key].tolist() for key in names}}, **likewise(results, name, seed)}


def likewise(results: ResultsLike, name: str, seed: int | None = None) -> dict[str, Any]:
    """The tables of a study of the same model, stages and outputs as that of some results, without points.

    Parameters
    ----------
    results : ResultsLike
    name : str
        Of the new study.
    seed : int, optional
        Another than that of the study, for other noise.
    """
    study = results.study
    head = {**study["study"], "name": name, "replicates": 1}
    if seed is not None:
        head["seed"] = seed
    kept = {key: study[key] for key in ("fixed", "stages", "outputs", "resources") if key in study}
    # parameters are found again by their values
    kept["outputs"] = {**kept.get("outputs", {}), "precision": "float64"}
    return {"study": head, **kept}


def varied(space: Mapping[str, Any]) -> list[str]:
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


class Resimulate(Protocol):
    """Features of parameters that are simulated, as :class:`Resimulation` gives them."""

    def __call__(self, theta: DataFrame, name: str, other_noise: int = 0) -> DataFrame:
        """See :meth:`Resimulation.__call__`."""


@dataclass(frozen=True, eq=False)
class Resimulation:
    """Simulates parameters of observations again, as the study of some results does.

    Parameters
    ----------
    results : ResultsLike
        Of the study.
    outputs : tuple of str
        Whose values are the features.
    known : DataFrame, shape (observations, given parameters)
        What is known of every observation, such as its current.
    simulate : callable
        See :class:`hpcsim.inference.method.Simulate`.
    """

    results: ResultsLike
    outputs: tuple[str, ...]
    known: DataFrame
    simulate: Simulate

    def __call__(self, theta: DataFrame, name: str, other_noise: int = 0) -> DataFrame:
        """Features, a row for each row of `theta` (whose index is that of observations).

        Parameters
        ----------
        theta : DataFrame, shape (simulations, parameters)
        name : str
            Of the study that is run; the same name with other parameters adds to what is there.
        other_noise : int
            Added to the study's seed.
        """
        whole = theta.join(self.known) if len(self.known.columns) else theta
        head = self.results.study["study"]
        tables = follow_up(self.results, whole, f"{head['name']}_{name}", (int(head["seed"]) + other_noise) % 2**63)
        with self.simulate(tables, name) as simulated:
            return matched(simulated, whole, self.outputs)
