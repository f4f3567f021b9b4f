"""The column ``recipe``: which code made each row, in results whose rows come from several recipes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import h5py
import numpy as np

from hpcsim.collector.format.column import POINT
from hpcsim.collector.format.schema import RECIPE


def add_recipes(file: h5py.File, recipes: Sequence[str], new: Iterable[str]) -> None:
    """Give a table the column when rows of other recipes join it; nothing where it has it, or all are of one recipe.

    Parameters
    ----------
    file : h5py.File
        Open for writing.
    recipes : sequence of str
        Fingerprints of all recipes that the study had, in order.
    new : iterable of str
        Fingerprints of the rows that are about to join.
    """
    own = str(file.attrs["fingerprint"])
    if RECIPE in file:
        _explain(file[RECIPE], recipes)
    elif any(fingerprint != own for fingerprint in new):
        rows = len(file["id"])
        column = add_column(file)
        column[...] = np.full(rows, recipe_number(recipes, own))
        _explain(column, recipes)


def add_column(file: h5py.File, like: h5py.Dataset | None = None) -> h5py.Dataset:
    """The column without values, explained as another one is."""
    rows, block = len(file["id"]), int(file.attrs["block"])
    column = file.create_dataset(RECIPE, shape=(rows,), maxshape=(None,), chunks=(block,), dtype="uint16", compression=1)
    column.attrs["hpcsim_role"] = "record"
    column.attrs["long_name"] = "which recipe made the row: its number in provenance/recipes"
    column.dims[0].attach_scale(file[POINT])
    if like is not None:
        _explain(column, str(like.attrs["flag_meanings"]).split())
    return column


def recipe_number(recipes: Sequence[str], fingerprint: str) -> int:
    """The number that stands in the column."""
    return list(recipes).index(fingerprint)


def _explain(column: h5py.Dataset, recipes: Sequence[str]) -> None:
    column.attrs["flag_values"] = np.arange(len(recipes), dtype="uint16")
    column.attrs["flag_meanings"] = " ".join(recipes)
