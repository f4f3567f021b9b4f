"""The prior of a study, as inference needs it: density, support, and a way to unconstrained space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.errors import ResultsError, SpaceError, nearest
from hpcsim.space.constraint import Constraint
from hpcsim.space.distribution import Loguniform, Normal, Sampled, Truncnormal, Uniform
from hpcsim.space.parameter import Parameter
from hpcsim.space.table import read

if TYPE_CHECKING:
    import torch

    from hpcsim.inference.inputs import ResultsLike

_KINDS: dict[str, type[Sampled]] = {
    "uniform": Uniform,
    "loguniform": Loguniform,
    "normal": Normal,
    "truncnormal": Truncnormal,
}
_FIELDS = {"normal": ("mu", "sigma"), "truncnormal": ("mu", "sigma", "low", "high")}
#: Distance from the ends of a support, as a share of it, that unconstrained space still tells apart in float32.
EDGE = 1e-6


@dataclass(frozen=True)
class Prior:
    """Independent distributions of named parameters, perhaps with a constraint.

    Parameters
    ----------
    distributions : mapping of str to Sampled
        Uniform, Loguniform, Normal or Truncnormal, in the units of the study.
    constraint : str
        A condition over these parameters, or an empty text.
    constants : mapping of str to float
        Fixed parameters of which the constraint speaks.
    """

    distributions: Mapping[str, Sampled]
    constraint: str = ""
    constants: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, distribution in self.distributions.items():
            if type(distribution) not in _KINDS.values():
                raise SpaceError(
                    f"{name} is drawn from {type(distribution).__name__.lower()}, which has no density; "
                    f"inference.npe takes {', '.join(_KINDS)}; leave {name} out of the parameters"
                )
        if self.constraint:
            Constraint(self.constraint).check([*self.distributions, *self.constants])

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters, in the order of all columns."""
        return tuple(self.distributions)

    @property
    def low(self) -> np.ndarray:
        """Lower ends of the support, shape (parameters,); -inf where there is none."""
        return np.array([distribution.low for distribution in self.distributions.values()])

    @property
    def high(self) -> np.ndarray:
        """Upper ends of the support, shape (parameters,); inf where there is none."""
        return np.array([distribution.high for distribution in self.distributions.values()])

    @property
    def decades(self) -> dict[str, float]:
        """Over how many decades the parameters go that are drawn uniformly in their logarithm."""
        return {name: float(np.log10(d.high / d.low)) for name, d in self.distributions.items() if isinstance(d, Loguniform)}

    def support(self, theta: np.ndarray) -> np.ndarray:
        """Which rows the prior allows.

        Parameters
        ----------
        theta : ndarray, shape (..., parameters)

        Returns
        -------
        ndarray of bool, shape (...)
        """
        inside = np.asarray(((theta >= self.low) & (theta <= self.high)).all(axis=-1))
        if self.constraint:
            flat = theta.reshape(-1, len(self.names))
            columns = {name: np.full(len(flat), value) for name, value in self.constants.items()}
            columns |= dict(zip(self.names, flat.T, strict=True))
            inside &= Constraint(self.constraint)(columns).reshape(inside.shape)
        return inside

    def log_prob(self, theta: np.ndarray) -> np.ndarray:
        """Natural logarithm of the density; with a constraint, up to a constant.

        Parameters
        ----------
        theta : ndarray, shape (n, parameters)

        Returns
        -------
        ndarray, shape (n,)
            -inf off the support.
        """
        columns = zip(self.distributions.values(), theta.T, strict=True)
        total = np.sum([distribution.log_prob(column) for distribution, column in columns], axis=0)
        return np.where(self.support(theta), total, -np.inf)

    def sample(self, n: int, seed: int) -> np.ndarray:
        """Draws, the same for the same seed.

        Returns
        -------
        ndarray, shape (n, parameters)

        Raises
        ------
        SpaceError
            If the constraint hardly ever holds.
        """
        random = np.random.default_rng(seed)
        parts: list[np.ndarray] = []
        for _ in range(1000):
            # a quantile wants 0 < u < 1
            u = np.clip(random.random((n, len(self.names))), 2.0**-53, 1 - 2.0**-53)
            theta = np.stack([d.quantile(u[:, k]) for k, d in enumerate(self.distributions.values())], axis=1)
            parts.append(theta[self.support(theta)])
            if sum(map(len, parts)) >= n:
                return np.asarray(np.concatenate(parts)[:n])
        raise SpaceError(f'the constraint "{self.constraint}" holds in less than a thousandth of all draws; widen it')

    def constrain(self, u: torch.Tensor) -> torch.Tensor:
        """From unconstrained space to parameters, differentiable; the constraint is not seen.

        Parameters
        ----------
        u : Tensor, shape (..., parameters)

        Returns
        -------
        Tensor, shape (..., parameters)
        """
        import torch

        columns = []
        for k, distribution in enumerate(self.distributions.values()):
            start, width = _frame(distribution)
            inner = torch.sigmoid(u[..., k]) if np.isfinite(distribution.low) else u[..., k]
            value = start + width * inner
            columns.append(torch.exp(value) if isinstance(distribution, Loguniform) else value)
        bounds = (torch.as_tensor(end, dtype=u.dtype, device=u.device) for end in (self.low, self.high))
        return torch.clamp(torch.stack(columns, dim=-1), *bounds)

    def unconstrain(self, theta: np.ndarray) -> np.ndarray:
        """The inverse of `constrain`; values off the support become the nearest ones on it.

        Parameters
        ----------
        theta : ndarray, shape (..., parameters)

        Returns
        -------
        ndarray, shape (..., parameters)
        """
        position = self.position(theta)
        share = np.clip(position, EDGE, 1 - EDGE)
        return np.where(np.isfinite(self.low), np.log(share) - np.log1p(-share), position)

    def position(self, theta: np.ndarray) -> np.ndarray:
        """Where in its support each parameter is: 0 at the lower end, 1 at the upper; on a logarithmic scale if loguniform.

        Parameters
        ----------
        theta : ndarray, shape (..., parameters)
            Values off the support count as the nearest ones on it.

        Returns
        -------
        ndarray, shape (..., parameters)
            Standard deviations from the mean where the support has no ends.
        """
        columns = []
        for k, distribution in enumerate(self.distributions.values()):
            start, width = _frame(distribution)
            value = np.clip(theta[..., k], distribution.low, distribution.high)
            columns.append(((np.log(value) if isinstance(distribution, Loguniform) else value) - start) / width)
        return np.stack(columns, axis=-1)

    def at(self, position: np.ndarray) -> np.ndarray:
        """The inverse of `position`.

        Parameters
        ----------
        position : ndarray, shape (..., parameters)

        Returns
        -------
        ndarray, shape (..., parameters)
            On the support, apart from the constraint.
        """
        columns = []
        for k, distribution in enumerate(self.distributions.values()):
            start, width = _frame(distribution)
            share = position[..., k]
            # the exponential is rounded as it is in draws, so that a point is known again on another machine
            columns.append(distribution.quantile(share) if isinstance(distribution, Loguniform) else start + width * share)
        return np.clip(np.stack(columns, axis=-1), self.low, self.high)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        kinds = {maker: kind for kind, maker in _KINDS.items()}
        tables = {
            name: {"kind": kinds[type(d)], **{key: asdict(d)[key] for key in _fields(kinds[type(d)])}}  # type: ignore[call-overload]
            for name, d in self.distributions.items()
        }
        return {"distributions": tables, "constraint": self.constraint, "constants": dict(self.constants)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Prior:
        """What `to_dict` gave.

        Raises
        ------
        KeyError, TypeError
            If it is something else.
        """
        found = {
            name: _KINDS[table["kind"]](**{key: table[key] for key in _fields(table["kind"])})
            for name, table in plain["distributions"].items()
        }
        return cls(found, plain["constraint"], plain["constants"])

    @classmethod
    def of(cls, results: ResultsLike, names: Sequence[str] = ()) -> Prior:
        """The prior of the study that made the results.

        Parameters
        ----------
        results : ResultsLike
            With ``study`` and ``units``.
        names : sequence of str
            Parameters to infer; without it, all that the study draws.

        Raises
        ------
        ResultsError
            If the study draws none of them, or a parameter is not drawn.
        SpaceError
            If a distribution has no density, or the constraint speaks of other parameters.
        """
        tables = {name: table for name, table in results.study.get("space", {}).items() if _kind(table)}
        wanted = list(names) or list(tables)
        if not wanted:
            raise ResultsError(
                f"{results.path}: the study draws no parameter, so there is no prior; give [space] a distribution, "
                'such as { uniform = [0, 1] }, and [design] the method "random" or "sobol"'
            )
        for name in wanted:
            if name not in tables:
                raise ResultsError(f'{results.path}: the parameter "{name}" has no prior in the study; {nearest(name, tables)}')
        distributions: dict[str, Any] = {
            name: read(tables[name], Parameter(name, 0.0, results.units.get(name, ""))) for name in wanted
        }
        for name, ends in results.study.get("bounds", {}).items():
            if isinstance(distributions.get(name), Normal):
                # draws outside of what the model allows were replaced
                distributions[name] = distributions[name].within(*ends)
        constraint = str(results.study.get("design", {}).get("constraint", ""))
        fixed = results.study.get("recipe", {}).get("fixed", {})
        others = [name for name in Constraint(constraint).names if name not in wanted] if constraint else []
        return cls(distributions, constraint, {name: float(fixed[name]) for name in others if name in fixed})


def _kind(table: object) -> str:
    """Which distribution a table of ``[space]`` is; empty for lists and values."""
    known = (*_KINDS, "choice")
    return next((kind for kind in known if kind in table), "") if isinstance(table, Mapping) else ""


def _fields(kind: str) -> tuple[str, ...]:
    return _FIELDS.get(kind, ("low", "high"))


def _frame(distribution: Sampled) -> tuple[float, float]:
    """Where a distribution starts and how wide it is, in the space where it is a box or a line."""
    if isinstance(distribution, Normal):
        return distribution.mu, distribution.sigma
    low, high = distribution.low, distribution.high
    if isinstance(distribution, Loguniform):
        low, high = float(np.log(low)), float(np.log(high))
    return low, high - low
