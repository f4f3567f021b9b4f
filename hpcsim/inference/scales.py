"""Scales on which a network sees what it could not see on a linear one: parameters and features over many decades.

A network gets its numbers centred, divided by their standard deviation and rounded to float32. Of a quantity between 1e-3 and
1e5 it then sees the largest values alone. Such columns, and they alone, are put on another scale before; densities are those of
the quantities themselves, by the slope of the scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

KINDS = ("linear", "log", "asinh")
#: A prior over more decades than this is seen by its logarithm.
DECADES = 2.0
# share of the values in a window, and how wide it is at least in standard deviations: 0.77 if normal, 1.0 if uniform
_SHARE, _NARROW, _WIDE = 0.3, 0.03, 0.1
# fewer different values are classes or small counts, which have no scale
_FEWEST = 50
# float32 has 7 digits, and sbi takes a standard deviation below 1e-14 for 1e-14
_OFFSET, _SMALL, _LARGE = 1e4, 1e-10, 1e15


@dataclass(frozen=True)
class Scale:
    """How one column is seen.

    Parameters
    ----------
    kind : str
        ``linear``: (v - centre) / width; ``log``: log(v); ``asinh``: asinh((v - centre) / width), which is linear near the
        centre and logarithmic far from it.
    centre, width : float
    """

    kind: str
    centre: float = 0.0
    width: float = 1.0

    def forward(self, v: Any, of: Any = np) -> Any:
        """Values as they are seen; `of` is numpy or torch."""
        if self.kind == "log":
            return of.log(v)
        z = (v - self.centre) / self.width
        return of.arcsinh(z) if self.kind == "asinh" else z

    def inverse(self, u: np.ndarray) -> np.ndarray:
        """Values from what is seen of them."""
        with np.errstate(over="ignore"):
            if self.kind == "log":
                return np.asarray(np.exp(u))
            return np.asarray(self.centre + self.width * (np.sinh(u) if self.kind == "asinh" else u))

    def log_slope(self, v: Any, of: Any = np) -> Any:
        """Logarithm of the derivative of `forward`."""
        if self.kind == "log":
            return -of.log(v)
        slope = -np.log(self.width) + 0.0 * v
        return slope - 0.5 * of.log1p(((v - self.centre) / self.width) ** 2) if self.kind == "asinh" else slope


class Scales:
    """Scales of some of the columns of a table; the others are as they are.

    Parameters
    ----------
    names : sequence of str
        All columns.
    scales : mapping of str to Scale
        Of those that need one.
    """

    def __init__(self, names: Sequence[str], scales: Mapping[str, Scale] | None = None) -> None:
        self.names, self.scales = tuple(names), dict(scales or {})
        self._columns = [(self.names.index(name), scale) for name, scale in self.scales.items()]

    def __bool__(self) -> bool:
        return bool(self.scales)

    def forward(self, values: np.ndarray) -> np.ndarray:
        """Values as the network sees them, shape (..., columns)."""
        return self._mapped(values, "forward")

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """Values from what the network sees, shape (..., columns)."""
        return self._mapped(values, "inverse")

    def _mapped(self, values: np.ndarray, way: str) -> np.ndarray:
        if not self:
            return values
        found = np.array(values, float)
        for k, scale in self._columns:
            found[..., k] = getattr(scale, way)(found[..., k])
        return found

    def seen(self, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | float]:
        """The same, differentiable; and the logarithm of the slope, shape (...), which a density is multiplied by."""
        import torch

        if not self:
            return values, 0.0
        columns = list(values.unbind(-1))
        slope = sum(scale.log_slope(columns[k], torch) for k, scale in self._columns)
        for k, scale in self._columns:
            columns[k] = scale.forward(columns[k], torch)
        return torch.stack(columns, dim=-1), slope

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        return {name: asdict(scale) for name, scale in self.scales.items()}

    @classmethod
    def of(cls, names: Sequence[str], plain: Mapping[str, Any]) -> Scales:
        """What `to_dict` gave."""
        return cls(names, {name: Scale(**scale) for name, scale in plain.items()})


def parameter_scales(names: Sequence[str], logarithmic: Mapping[str, float], mean: np.ndarray, sd: np.ndarray) -> Scales:
    """Scales of parameters.

    Parameters
    ----------
    names : sequence of str
    logarithmic : mapping of str to float
        Decades of those that are drawn uniformly in their logarithm.
    mean, sd : ndarray, shape (parameters,)

    Returns
    -------
    Scales
    """
    found = {}
    for name, centre, spread in zip(names, mean.tolist(), sd.tolist(), strict=True):
        if logarithmic.get(name, 0) > DECADES:
            found[name] = Scale("log")
        elif _invisible(centre, spread):
            found[name] = Scale("linear", centre, spread)
    return Scales(names, found)


def feature_scales(names: Sequence[str], x: np.ndarray) -> Scales:
    """Scales of features, from some simulations.

    Parameters
    ----------
    names : sequence of str
    x : ndarray of float64, shape (simulations, features)

    Returns
    -------
    Scales
    """
    found = {}
    for name, values in zip(names, x.T, strict=True):
        scale = _spread_over_decades(values)
        centre, spread = float(values.mean()), float(values.std())
        if scale is not None:
            found[name] = scale
        elif _invisible(centre, spread):
            found[name] = Scale("linear", centre, spread)
    return Scales(names, found)


def _invisible(centre: float, spread: float) -> bool:
    """Whether float32 or the network's own centring would lose a quantity."""
    return spread > 0 and (not _SMALL < spread < _LARGE or abs(centre) > _OFFSET * spread)


def _spread_over_decades(values: np.ndarray) -> Scale | None:
    """A scale that spreads the values evenly, where most of them lie in a small part of their standard deviation."""
    # a value that many simulations have is a class of its own, such as no spike
    distinct = np.unique(values)
    if len(distinct) < _FEWEST or _narrowest(distinct, _SHARE)[1] > _NARROW * distinct.std():
        return None
    start, width = _narrowest(distinct, _SHARE / 3)
    scale = Scale("asinh", start + width / 2, width / 2)
    if distinct[0] > 0:
        scale = Scale("asinh", 0.0, float(np.quantile(distinct, 0.01)))
    if not scale.width > 0:
        return None
    seen = scale.forward(distinct)
    # of two narrow groups that lie far apart, no scale shows more
    return scale if _narrowest(seen, _SHARE)[1] > _WIDE * seen.std() else None


def _narrowest(ascending: np.ndarray, share: float) -> tuple[float, float]:
    """Start and width of the narrowest window that holds a share of the values."""
    n = max(1, int(share * len(ascending)))
    widths = ascending[n:] - ascending[:-n]
    k = int(widths.argmin())
    return float(ascending[k]), float(widths[k])
