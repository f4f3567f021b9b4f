"""Means and standard deviations of posteriors against each other, from the tables that inference leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_TABLE = "posterior.csv"


@dataclass(frozen=True)
class PosteriorDifference:
    """What two posteriors say of a parameter, at the observations that both know.

    Parameters
    ----------
    first, other, method, parameter : str
    observations : int
        In common.
    mean, other_mean, sd, other_sd : float
        Of the posterior; medians over observations.
    shift : float
        Difference of the means in standard deviations of the first one; the largest of the observations.
    """

    first: str
    other: str
    method: str
    parameter: str
    observations: int
    mean: float
    other_mean: float
    sd: float
    other_sd: float
    shift: float


def compare_posteriors(name: str, first: Path, other_name: str, other: Path) -> Iterator[PosteriorDifference]:
    """The posteriors in the directories of two studies, by the names of their methods and parameters."""
    import pandas

    for folder in sorted(first.glob(f"inference/*/{_TABLE}")):
        method = folder.parent.name.partition("_")[2]
        beside = other / "inference" / folder.parent.name / _TABLE
        if not beside.exists():
            # at another place of the list: the same one of those of its name
            mine, theirs = (_of_method(directory, method) for directory in (first, other))
            place = mine.index(folder)
            if place >= len(theirs):
                continue
            beside = theirs[place]
        one, two = (pandas.read_csv(path, index_col=0) for path in (folder, beside))
        known = one.index.intersection(two.index)
        for column in one.columns:
            parameter = column.removeprefix("mean ")
            if parameter == column or column not in two.columns or not len(known):
                continue
            (mean, sd), (other_mean, other_sd) = (
                (table.loc[known, column].to_numpy(float), table.loc[known, f"sd {parameter}"].to_numpy(float))
                for table in (one, two)
            )
            shift = np.abs(other_mean - mean) / np.where(sd > 0, sd, np.nan)
            means, other_means, sds, other_sds = (float(np.nanmedian(values)) for values in (mean, other_mean, sd, other_sd))
            most = float(np.nanmax(shift)) if np.isfinite(shift).any() else float("nan")
            yield PosteriorDifference(name, other_name, method, parameter, len(known), means, other_means, sds, other_sds, most)


def _of_method(directory: Path, method: str) -> list[Path]:
    """Tables of a method in the order of the study's list."""
    tables = directory.glob(f"inference/*_{method}/{_TABLE}")
    return sorted(tables, key=lambda path: int(path.parent.name.partition("_")[0]))
