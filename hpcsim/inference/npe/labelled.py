"""Samples with names, units and the index of the observations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

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
    """
    import xarray as xr

    dims = ("observation", "draw")
    columns = {
        name: (dims, samples[..., i], {"units": units[name]} if units.get(name) else {}) for i, name in enumerate(parameters)
    }
    names = [str(name) for name in observations] if observations.nlevels > 1 else observations.to_numpy()
    return xr.Dataset(columns, {"observation": names, "draw": np.arange(samples.shape[1])})
