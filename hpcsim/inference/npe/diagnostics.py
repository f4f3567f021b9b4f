"""Diagnostics of a posterior: simulation-based calibration and expected coverage."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.errors import ResultsError

if TYPE_CHECKING:
    from pandas import DataFrame

    from hpcsim.inference.npe.posterior import Posterior


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
