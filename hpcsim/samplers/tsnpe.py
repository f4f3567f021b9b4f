"""Truncated sequential NPE: draws from the prior, and from ever less of it, where the posterior of one observation is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hpcsim.inference.npe.density import DENSITIES, Architecture, build
from hpcsim.inference.npe.posterior import Posterior
from hpcsim.inference.npe.training import TrainingConfig, train
from hpcsim.inference.npe.truncation import TruncatedPrior
from hpcsim.inference.prior import Prior
from hpcsim.inference.scales import feature_scales
from hpcsim.samplers.plugin import sampler
from hpcsim.samplers.problem import SearchProblem
from hpcsim.samplers.sampler import Sampler
from hpcsim.space.distribution import Uniform
from hpcsim.space.parameter import Parameter

#: Fewer simulations than these do not even tell mean and standard deviation.
_LEAST = 8


@sampler(
    "tsnpe",
    options=[
        Parameter("simulations", 1000, bounds=(2, None), description="points of a round"),
        Parameter("epsilon", 1e-4, bounds=(0, 0.5), description="share of the posterior that is cut off"),
        Parameter("draws", 100_000, bounds=(100, None), description="posterior samples that tell where the cut is"),
        Parameter("density", "maf", choices=DENSITIES, description="masked autoregressive or neural spline flow"),
        Parameter("hidden", 50, bounds=(1, 4096), description="units of a hidden layer"),
        Parameter("transforms", 5, bounds=(2, 64), description="layers of the flow"),
        Parameter("batch", 200, bounds=(1, None), description="simulations of a training step"),
        Parameter("rate", 5e-4, bounds=(1e-8, 1), description="learning rate"),
        Parameter("stop_after", 20, bounds=(1, None), description="epochs without improvement"),
        Parameter("epochs", 0, bounds=(0, None), description="the most epochs; 0: no limit"),
    ],
    engine="sbi",
    extra="sbi",
    requires=("sbi", "nflows", "torch"),
)
class TSNPE(Sampler):
    """Truncated sequential NPE: the prior, and then its part where the posterior of the observation is.

    Deistler, Goncalves and Macke 2022, doi:10.48550/arXiv.2210.04815. The objectives are how far features are from the
    observation, with their sign. A round is over when its results are there; nobody waits for it, since points that are
    suggested meanwhile are draws from the prior too. Each round trains a new network on all that arrived, so that what is
    suggested follows from the results alone. Another processor, or another version of torch, trains a network whose last digits
    differ: points of a log are taken as they are, without a training, and further ones follow from the network of this machine.
    """

    stateless = True
    infers = True

    def __init__(
        self,
        problem: SearchProblem,
        seed: int = 0,
        start: Sequence[Mapping[str, Any]] = (),
        *,
        simulations: int = 1000,
        epsilon: float = 1e-4,
        draws: int = 100_000,
        density: str = "maf",
        hidden: int = 50,
        transforms: int = 5,
        batch: int = 200,
        rate: float = 5e-4,
        stop_after: int = 20,
        epochs: int = 0,
    ) -> None:
        super().__init__(problem, seed, start)
        self.simulations, self.epsilon, self.draws = simulations, epsilon, draws
        self._architecture = Architecture(density, hidden, transforms)
        self._training = TrainingConfig(batch, rate, stop_after, epochs)
        #: what arrived, in its order: number, position and features
        self._arrivals: list[tuple[int, np.ndarray, np.ndarray]] = []
        #: rounds that the region follows from
        self._rounds = 0
        self.region: TruncatedPrior | None = None

    @property
    def batch(self) -> int:
        """A round."""
        return self.simulations

    def _propose(self, n: int, first: int) -> np.ndarray:
        self._truncate(len(self._arrivals) // self.simulations)
        return np.array([self._draw(self.random(first + i)) for i in range(n)])

    def _draw(self, random: np.random.Generator) -> np.ndarray:
        if self.region is None:
            return self.anywhere(random)
        return self.region.draw(random)

    def _learn(self, number: int | None, position: np.ndarray, objectives: np.ndarray) -> None:
        # points that somebody chose are no draws from the prior
        if number is not None and number >= len(self.start):
            self._arrivals.append((number, position, objectives))

    def _truncate(self, rounds: int) -> None:
        """Cut the prior as that many rounds say, if it is not yet."""
        if rounds == self._rounds:
            return
        self._rounds = rounds
        # within a round the order of arrival does not matter
        arrived = sorted(self._arrivals[: rounds * self.simulations], key=lambda row: row[0])
        theta = np.array([position for _, position, _ in arrived])
        x = np.array([objectives for _, _, objectives in arrived])
        good = np.isfinite(x).all(axis=1)
        theta, x = theta[good], x[good]
        # a feature that is the same in all simulations says nothing
        telling = [k for k in range(x.shape[1]) if len(x) >= _LEAST and np.ptp(x[:, k]) > 0]
        if telling:
            self.region = self._region(theta, x[:, telling], [self.problem.objectives[k] for k in telling])

    def _region(self, theta: np.ndarray, x: np.ndarray, features: Sequence[str]) -> TruncatedPrior:
        """The prior that is left, from parameters and features of simulations."""
        from pandas import DataFrame

        seed = int(np.random.default_rng([self.seed, self._rounds, 0]).integers(2**62))
        scales = feature_scales(features, x)
        seen = theta.astype(np.float32), scales.forward(x).astype(np.float32)
        network = build(self._architecture, *seen, seed)
        train(network, network.loss, *seen, replace(self._training, seed=seed))
        cube = Prior({name: Uniform(0.0, 1.0) for name in self.problem.names})
        posterior = Posterior(network, cube, tuple(features), self._architecture, x_scales=scales)
        observation = DataFrame(np.zeros((1, len(features))), columns=list(features))
        return TruncatedPrior(posterior, observation, self.epsilon, self.draws, seed, self.allowed)
