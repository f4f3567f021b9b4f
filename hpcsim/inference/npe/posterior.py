"""A posterior: samples, densities and maxima for many observations at once; stored without pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.errors import HpcsimError, ResultsError, shown
from hpcsim.files import write_text
from hpcsim.inference.method import installed
from hpcsim.inference.npe.ascent import climb
from hpcsim.inference.npe.density import Architecture, blank, classifier
from hpcsim.inference.npe.draws import draw
from hpcsim.inference.npe.labelled import labelled
from hpcsim.inference.npe.weights import put_weights, save_weights
from hpcsim.inference.observations import check_extractor, feature_values
from hpcsim.inference.prior import Prior
from hpcsim.inference.scales import Scales
from hpcsim.inference.torch_seed import one_thread, torch_seed
from hpcsim.representation import ROWS, block, line, table

if TYPE_CHECKING:
    import torch
    import xarray as xr
    from pandas import DataFrame

#: What the numbers of a stored posterior depend on.
LIBRARIES = ("hpcsim", "sbi", "nflows", "torch", "numpy")
WEIGHTS, DESCRIPTION = "posterior.safetensors", "posterior.json"
FORMAT = 1
#: What a description that is not as it was written makes of the parts that are built from it.
_DAMAGED = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError, MemoryError, HpcsimError)
# rows of one pass through the network: more are not faster, and take memory
_ROWS = 50_000
# how far log-probabilities of one network may lie apart on two machines (float32, sums of a few hundred terms)
_AGREE = 1e-3


@dataclass(eq=False)
class Posterior:
    """The posterior of named parameters given named features.

    Its density is that of the network within the prior's support, and 0 off it. With a validity network it is also
    multiplied by the chance that a simulation with these parameters is valid (as of the validity classifiers of
    Lueckmann et al. 2017 and Glöckler et al. 2022): an observation is valid by nature, so what the density network
    leaks to parameters whose simulations are not is removed.

    Parameters
    ----------
    network : ConditionalDensityEstimator
        Of sbi.
    prior : Prior
    features : tuple of str
        What it is conditioned on.
    architecture : Architecture
    validity : Module, optional
        See :func:`hpcsim.inference.npe.density.classifier`.
    units : dict of str to str
        Of parameters and features.
    extractor : dict of str to str
        Names and versions of the stages that computed the features.
    reach : dict of str to list of two floats
        Lowest and highest value of each feature among the valid simulations.
    theta_scales, x_scales : Scales, optional
        How the network sees parameters and features.
    versions : dict of str to str
        Of the libraries that trained it.
    """

    network: Any
    prior: Prior
    features: tuple[str, ...]
    architecture: Architecture = field(default_factory=Architecture)
    validity: Any = None
    units: Mapping[str, str] = field(default_factory=dict)
    extractor: Mapping[str, str] = field(default_factory=dict)
    reach: Mapping[str, Any] = field(default_factory=dict)
    theta_scales: Scales = field(default_factory=lambda: Scales(()))
    x_scales: Scales = field(default_factory=lambda: Scales(()))
    versions: Mapping[str, str] = field(default_factory=lambda: installed(LIBRARIES))

    def __repr__(self) -> str:
        about = self.architecture
        how = f"{about.density.upper()} of {about.transforms} transforms with {about.hidden} units"
        return f"<Posterior of {', '.join(self.parameters)} given {len(self.features)} features: {how}>"

    def _repr_html_(self) -> str:
        rows = ((name, self.units.get(name, ""), prior) for name, prior in self.prior.distributions.items())
        given = ", ".join(f"{name} {self.units.get(name, '')}".strip() for name in self.features[:ROWS])
        more = f" and {len(self.features) - ROWS} more" if len(self.features) > ROWS else ""
        return block(repr(self)[1:-1], table(("parameter", "unit", "prior"), rows), line(f"given {given}{more}"))

    @property
    def parameters(self) -> tuple[str, ...]:
        """What is inferred, in the order of all columns."""
        return self.prior.names

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        device: torch.device = next(self.network.parameters()).device
        return device

    def sample(self, observations: DataFrame, n: int = 1000, seed: int = 0, *, patience: int = 100) -> np.ndarray:
        """Samples for each observation, all within the prior's support.

        Parameters
        ----------
        observations : DataFrame, shape (observations, features)
            Columns by name; others are not looked at.
        n : int
            Samples of each observation.
        seed : int
        patience : int
            How many times `n` draws of an observation are made; after that, the network leaks too much, and the
            samples of this observation that are wanting are NaN.

        Returns
        -------
        ndarray, shape (observations, n, parameters)

        Raises
        ------
        ResultsError
            If features are missing or not finite, or were computed by another extractor.
        """
        x = self._condition(observations)
        samples = np.full((len(x), n, len(self.parameters)), np.nan)
        have, drawn = np.zeros(len(x), int), np.zeros(len(x), int)
        random = np.random.default_rng([seed, 4])
        with torch_seed(seed):
            while len(pending := np.flatnonzero((have < n) & (drawn < patience * n))):
                # as many draws as are likely to be enough, by what was accepted so far
                wanted = np.ceil(1.1 * (n - have[pending]) * (drawn[pending] + 1) / (have[pending] + 1)).astype(int)
                wanted = np.minimum(np.maximum(wanted, 10), patience * n - drawn[pending])
                # observations that need about as many go together
                most = int(min(wanted.max(), _ROWS))
                pending = pending[wanted > 0.5 * most][: max(1, _ROWS // most)]
                theta, accepted = self._draw(x[pending], most, random)
                drawn[pending] += theta.shape[1]
                for some, good, cell in zip(theta, accepted, pending, strict=True):
                    new = some[good][: n - have[cell]]
                    samples[cell, have[cell] : have[cell] + len(new)] = new
                    have[cell] += len(new)
        return samples

    def labelled_samples(self, observations: DataFrame, n: int = 1000, seed: int = 0, *, patience: int = 100) -> xr.Dataset:
        """What :meth:`sample` gives, by the names of parameters and with units; parameters and errors are the same.

        Returns
        -------
        xarray.Dataset
            A variable a parameter, of observation (with the index of the table) and draw; ``.to_dataframe()`` makes a table.
        """
        samples = self.sample(observations, n, seed, patience=patience)
        return labelled(samples, self.parameters, self.units, observations.index)

    def acceptance(self, observations: DataFrame, n: int = 1000, seed: int = 0) -> np.ndarray:
        """Share of the network's draws that the prior (and the validity network) accepts.

        Returns
        -------
        ndarray, shape (observations,)
        """
        x = self._condition(observations)
        random = np.random.default_rng([seed, 5])
        with torch_seed(seed):
            parts = x.split(max(1, _ROWS // n))
            return np.concatenate([self._draw(part, n, random)[1].mean(axis=1) for part in parts])

    def leakage(self, observations: DataFrame, n: int = 1000, seed: int = 0) -> np.ndarray:
        """Share of the network's draws that lie outside the prior, shape (observations,)."""
        x = self._condition(observations)
        random = np.random.default_rng([seed, 5])
        with torch_seed(seed):
            parts = x.split(max(1, _ROWS // n))
            return np.concatenate([1 - self.prior.support(self._draw(part, n, random)[0]).mean(axis=1) for part in parts])

    def log_prob(self, theta: np.ndarray, observations: DataFrame, *, normalise: int = 0, seed: int = 0) -> np.ndarray:
        """Natural logarithm of the density.

        Parameters
        ----------
        theta : ndarray, shape (observations, n, parameters)
        observations : DataFrame, shape (observations, features)
        normalise : int
            Draws from which the mass off the prior's support is estimated; without them the density is that of
            the network, which is too low by a constant of each observation.
        seed : int
            For these draws.

        Returns
        -------
        ndarray, shape (observations, n)
            -inf off the support.

        Raises
        ------
        ResultsError
            As `sample`; or if the shapes do not fit.
        """
        import torch

        x = self._condition(observations)
        if theta.ndim != 3 or theta.shape[::2] != (len(x), len(self.parameters)):
            raise ResultsError(
                f"theta has the shape {theta.shape}; expected ({len(x)} observations, any, {len(self.parameters)} parameters)"
            )
        found = np.empty(theta.shape[:2])
        step = max(1, _ROWS // max(1, theta.shape[1]))
        with torch.no_grad(), one_thread():
            for start in range(0, len(x), step):
                part = slice(start, start + step)
                inputs = torch.tensor(theta[part], dtype=self.dtype, device=self.device)
                found[part] = self.density(inputs, x[part]).cpu().numpy()
        found = np.where(self.prior.support(theta), found, -np.inf)
        return found - np.log(self.acceptance(observations, normalise, seed))[:, None] if normalise else found

    def map(self, observations: DataFrame, seed: int = 0, *, restarts: int = 4, draws: int = 200, steps: int = 300) -> DataFrame:
        """The maximum of the density for each observation, by gradient ascent.

        The ascent goes through unconstrained space, so that it never leaves the prior's support, from the best of
        some draws; all observations and restarts go together.

        Parameters
        ----------
        observations : DataFrame, shape (observations, features)
        seed : int
        restarts : int
            Ascents of each observation.
        draws : int
            From which the best are taken as starts.
        steps : int

        Returns
        -------
        DataFrame, shape (observations, parameters + 1)
            With the index of the observations, and a column ``log_prob`` (of the network, not normalised).

        Raises
        ------
        ResultsError
            As `sample`.
        """
        import pandas

        x = self._condition(observations)
        with torch_seed(seed):
            parts = [climb(self, part, restarts, draws, steps, seed) for part in x.split(max(1, _ROWS // draws))]
        best = np.concatenate(parts) if parts else np.empty((0, len(self.parameters) + 1))
        return pandas.DataFrame(best, index=observations.index, columns=[*self.parameters, "log_prob"])

    def _draw(self, x: torch.Tensor, n: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draws of the network, shape (observations, n, parameters), and which are accepted."""
        import torch

        with torch.no_grad():
            drawn = draw(self.network, n, x)
            theta = self.theta_scales.inverse(drawn.cpu().numpy().astype(float))
            accepted = self.prior.support(theta)
            if self.validity is not None:
                chance = torch.sigmoid(self.validity(drawn))[..., 0].cpu().numpy()
                accepted &= random.random(chance.shape) < chance
        return theta, accepted

    def density(self, theta: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Log-density of the network on and off the support, shape (observations, n); differentiable."""
        from torch.nn.functional import logsigmoid

        seen, slope = self.theta_scales.seen(theta)
        seen = seen.float()
        density: torch.Tensor = self.network.log_prob(seen.transpose(0, 1), condition=x).transpose(0, 1) + slope
        return density if self.validity is None else density + logsigmoid(self.validity(seen)[..., 0])

    @property
    def dtype(self) -> torch.dtype:
        """Of parameters as they are: what the network cannot see without a scale, float32 may not hold."""
        import torch

        return torch.float64 if self.theta_scales else torch.float32

    def _condition(self, observations: DataFrame) -> torch.Tensor:
        import torch

        check_extractor(observations, self.extractor)
        values = self.x_scales.forward(feature_values(observations, self.features, units=self.units))
        return torch.as_tensor(values, dtype=torch.float32, device=self.device)

    def save(self, directory: Path) -> Path:
        """Write ``posterior.safetensors`` and ``posterior.json``; no pickle.

        Returns
        -------
        Path
            Of the description.
        """
        directory.mkdir(parents=True, exist_ok=True)
        about = {
            "format": FORMAT,
            "architecture": asdict(self.architecture),
            "prior": self.prior.to_dict(),
            "features": self.features,
            "validity": self.validity is not None,
            "units": dict(self.units),
            "extractor": dict(self.extractor),
            "reach": dict(self.reach),
            "theta_scales": self.theta_scales.to_dict(),
            "x_scales": self.x_scales.to_dict(),
            "versions": dict(self.versions),
            "check": self._check(),
        }
        save_weights(directory / WEIGHTS, {"network": self.network, "validity": self.validity})
        return write_text(directory / DESCRIPTION, json.dumps(about, indent=2) + "\n")

    def _check(self) -> list[float]:
        """Log-densities at a few fixed places: two machines must agree on them."""
        import torch

        theta = self.prior.sample(5, 0)
        ends = np.array([self.reach.get(name, (-1.0, 1.0)) for name in self.features], float)
        x = ends[:, 0] + (ends[:, 1] - ends[:, 0]) * np.linspace(0.4, 0.6, 5)[:, None]
        with torch.no_grad():
            inputs = torch.as_tensor(theta[:, None], dtype=self.dtype, device=self.device)
            condition = torch.as_tensor(self.x_scales.forward(x), dtype=torch.float32, device=self.device)
            found: list[float] = self.density(inputs, condition)[:, 0].double().cpu().tolist()
        return found


def load_posterior(path: str | Path, *, extractor: Mapping[str, str] | None = None, device: str = "cpu") -> Posterior:
    """Read a posterior that :meth:`Posterior.save` wrote, on this or another machine.

    Parameters
    ----------
    path : path
        The directory of the finding.
    extractor : mapping of str to str, optional
        Names and versions of what computed the features that it is to be used with; others are refused.
    device : str

    Returns
    -------
    Posterior

    Raises
    ------
    ResultsError
        If there is no posterior, if it is damaged, if the installed libraries make other numbers of its weights, or
        if the extractor is another.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    directory = Path(path)
    try:
        about = json.loads((directory / DESCRIPTION).read_text(encoding="utf-8"))
        tensors = load_file(directory / WEIGHTS)
        posterior = _restored(about, tensors)
        expected, found = np.array(about["check"], float), np.array(posterior._check())
        if found.shape != expected.shape:
            raise ValueError(f"the check has the shape {expected.shape}, expected {found.shape}")
    except _DAMAGED as error:
        raise ResultsError(f"{directory}: no posterior can be read here ({shown(repr(error), 500)}); train it again") from error
    except SafetensorError as error:
        raise ResultsError(f"{directory}: no posterior can be read here ({error!r}); train it again") from error
    if not np.allclose(found, expected, rtol=_AGREE, atol=_AGREE):
        raise ResultsError(
            f"{directory}: the weights give other numbers here (log-density {found[0]:.4f}, expected {expected[0]:.4f}); "
            f"it was trained with {dict(posterior.versions)}, here are {installed(LIBRARIES)}; "
            "install those versions or train it again"
        )
    if extractor is not None and dict(extractor) != dict(posterior.extractor):
        raise ResultsError(
            f"{directory}: trained on features of {dict(posterior.extractor)}, asked for {dict(extractor)}; "
            "compute the features with the same extractor and version, or train it again"
        )
    for module in filter(None, (posterior.network, posterior.validity)):
        module.to(device)
    return posterior


def _restored(about: Mapping[str, Any], tensors: Mapping[str, Any]) -> Posterior:
    prior, features = Prior.from_dict(about["prior"]), tuple(about["features"])
    architecture = Architecture(**about["architecture"])
    parts = {"network": blank(architecture, len(prior.names), len(features))}
    if about["validity"]:
        parts["validity"] = classifier(np.zeros(len(prior.names)), np.ones(len(prior.names)))
    put_weights(parts, tensors)
    described: dict[str, Any] = {name: dict(about[name]) for name in ("units", "extractor", "reach", "versions")}
    # posteriors of older versions have no scales
    described["theta_scales"] = Scales.of(prior.names, about.get("theta_scales", {}))
    described["x_scales"] = Scales.of(features, about.get("x_scales", {}))
    return Posterior(parts["network"], prior, features, architecture, parts.get("validity"), **described)
