"""Samples with names, units and the index of the observations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.errors import ResultsError

if TYPE_CHECKING:
    import xarray as xr
    from pandas import Index


def labelled(samples: np.ndarray, parameters: Sequence[str], units: Mapping[str, str], observations: Index) -> xr.Dataset:
    """A variable a parameter, of observation and draw.

    Parameters
    ----------
    samples : ndarray, shape (observations, draws, parameters)
    parameters : sequence of str
    units : mapping of str to str
        Those without a unit need not be in it.
    observations : Index
        An index of several levels becomes text.

    Raises
    ------
    ResultsError
        If a parameter is called as one of the dimensions.
    """
    import xarray as xr

    dims = ("observation", "draw")
    if taken := sorted({*dims} & {*parameters}):
        raise ResultsError(f"a parameter is called {taken[0]}, as a dimension of labelled samples is; take those of sample()")
    columns = {
        name: (dims, samples[..., i], {"units": units[name]} if units.get(name) else {}) for i, name in enumerate(parameters)
    }
    names = [str(name) for name in observations] if observations.nlevels > 1 else observations.to_numpy()
    return xr.Dataset(columns, {"observation": names, "draw": np.arange(samples.shape[1])})
