"""What a posterior says of observations: samples, maxima, and how well they do when they are simulated again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.inference.method import Finding, Options, Simulate, write_text
from hpcsim.inference.observations import EXTRACTOR, out_of_reach
from hpcsim.inference.posterior import Posterior
from hpcsim.inference.predictive import Resimulation, follow_up, performance
from hpcsim.inference.refinement import Refinement, listed
from hpcsim.inference.selection import nearest_rows
from hpcsim.inference.simulations import Simulations

if TYPE_CHECKING:
    from pandas import DataFrame

# simulations of the prior nearest to an observation, from which its refinement starts as well
_NEAREST = 8
#: Seed of the simulations that refined parameters are judged by, apart from those that they were chosen by.
_FRESH = 100


@dataclass(frozen=True, eq=False)
class Application:
    """A posterior, the observations, and where what is found goes.

    Parameters
    ----------
    finding : Finding
        Gets metrics, tables, figures and notes.
    posterior : Posterior
    observed : DataFrame, shape (observations, features and given parameters)
    simulations : Simulations
    options : mapping
        Of ``inference.npe``.
    directory : Path
    seed : int
    simulate : callable, optional
        Without it nothing is simulated again, and a study that would do it is left in ``follow_up.toml``.
    """

    finding: Finding
    posterior: Posterior
    observed: DataFrame
    simulations: Simulations
    options: Options
    directory: Path
    seed: int
    simulate: Simulate | None

    def run(self) -> None:
        """Sample, find maxima, simulate them again, and refine them."""
        self._warn()
        self.observed.attrs.setdefault(EXTRACTOR, {})
        maxima = self.posterior.map(self.observed, self.seed)
        samples = self.posterior.sample(self.observed, self.options["samples"], self.seed)
        self._store(samples)
        self.finding.tables["maximum"] = maxima
        self.finding.tables["posterior"] = self._described(samples)
        self._draw_pairs(samples, maxima)
        names = list(self.posterior.parameters)
        best = maxima[names].to_numpy(float)[:, None]
        self._check(best, samples[:, : self.options["checks"]])

    def _check(self, best: np.ndarray, some: np.ndarray) -> None:
        """Simulate maxima and some samples again; arrays of shape (observations, n, parameters)."""
        import pandas
        import tomli_w

        index, names = self.observed.index, self.posterior.parameters
        maxima, samples = listed(best, index, names), listed(some, index, names)
        checks = pandas.concat([maxima.assign(kind="MAP"), samples.assign(kind="sample")]).join(self._known)
        self.finding.tables["checks"] = checks
        results = self.simulations.results
        try:
            study = follow_up(results, checks, f"{results.study['study']['name']}_check")
        except ResultsError as error:
            self.finding.notes.append(f"Nothing was simulated again: {error}")
            return
        write_text(self.directory / "follow_up.toml", tomli_w.dumps(study))
        if self.simulate is None:
            return
        resimulate = Resimulation(results, self.simulations.outputs, self._known, self.simulate)
        features = resimulate(pandas.concat([maxima, samples]), "check")
        met = {"MAP": features[: len(maxima)]}
        if some.shape[1]:
            met[f"{some.shape[1]} samples"] = features[len(maxima) :]
        if self.options["refine"]:
            met["refined MAP"] = self._refine(np.concatenate([best, some], axis=1), resimulate)
        table = performance(self._features, met, self._scale)
        self.finding.tables["performance"] = table
        self.finding.metrics["performance"] = {
            f"{name}: {column}": float(row[column]) for name, row in table.iterrows() for column in ("fail (%)", "distance mean")
        }

    def _refine(self, start: np.ndarray, resimulate: Resimulation) -> DataFrame:
        """Features of refined parameters, simulated with noise that they were not chosen by."""
        found = self.simulations.summary
        rows, _ = nearest_rows(self.simulations.blocks(4096), self.observed.to_numpy(float), _NEAREST, found.x_mean, found.x_sd)
        near = self.simulations.take(rows.ravel())[0].reshape(*rows.shape, -1).astype(float)
        refinement = Refinement(
            self.posterior.prior, self._features, resimulate, self.options["refine"], self.options["candidates"], self._scale
        )
        refined, progress = refinement(np.concatenate([start, near], axis=1), self.seed)
        self.finding.tables["refined"], self.finding.tables["refinement"] = refined, progress
        return resimulate(refined, "refined", _FRESH)

    @property
    def _known(self) -> DataFrame:
        return self.observed[list(self.options["given"])]

    @property
    def _features(self) -> DataFrame:
        """What counts for the distance: what is given is met by itself."""
        return self.observed.drop(columns=list(self.options["given"]))

    @property
    def _scale(self) -> np.ndarray | None:
        """What features are divided by in the distance: one observation has no spread, that of the simulations stands in."""
        n = len(self._features.columns)
        return self.simulations.summary.x_sd[:n] if len(self.observed) == 1 else None

    def _store(self, samples: np.ndarray) -> None:
        import h5py

        with h5py.File(self.directory / "samples.h5", "w") as file:
            dataset = file.create_dataset("samples", data=samples.astype(np.float32), compression="gzip", shuffle=True)
            dataset.attrs["dims"] = ["observation", "sample", "parameter"]
            file["parameter"] = list(self.posterior.parameters)
            file["observation"] = [str(name) for name in self.observed.index]
        hopeless = ~np.isfinite(samples).all(axis=(1, 2))
        if hopeless.any():
            some = ", ".join(map(str, self.observed.index[hopeless][:5]))
            self.finding.notes.append(f"{int(hopeless.sum())} observations have too few samples within the prior: {some}.")
        self.finding.metrics.update({"observations": len(self.observed), "observations without samples": int(hopeless.sum())})

    def _warn(self) -> None:
        """Tell and show which observations are out of the range of the simulations."""
        from hpcsim.inference.plots import reach, unreached
        from hpcsim.report.figures import save

        features = self.posterior.features
        low, high = np.array([self.posterior.reach[name] for name in features]).T
        table = out_of_reach(self.observed, features, low, high)
        if not table.empty:
            self.finding.notes.append(unreached(table, len(self.observed)))
            self.finding.tables["out_of_reach"] = table
        figure = reach(self.observed.to_numpy(float), features, low, high)
        self.finding.figures["range of the simulations"] = save(figure, self.directory / "reach.png")

    def _described(self, samples: np.ndarray) -> DataFrame:
        """Mean and standard deviation of each parameter for each observation."""
        import pandas

        names = self.posterior.parameters
        columns = {f"mean {name}": samples[:, :, k].mean(axis=1) for k, name in enumerate(names)}
        columns |= {f"sd {name}": samples[:, :, k].std(axis=1) for k, name in enumerate(names)}
        return pandas.DataFrame(columns, index=self.observed.index)

    def _draw_pairs(self, samples: np.ndarray, maxima: DataFrame) -> None:
        """A pair plot of the first observation that has samples."""
        from hpcsim.inference.plots import pairs
        from hpcsim.report.figures import save

        whole = np.flatnonzero(np.isfinite(samples).all(axis=(1, 2)))
        if len(whole):
            first, names = whole[0], list(self.posterior.parameters)
            words = [self.posterior.units.get(name, "") for name in names]
            title = f"posterior of {maxima.index[first]}"
            figure = pairs(samples[first], names, words, maxima.iloc[first][names].to_numpy(float), title)
            self.finding.figures["pairs"] = save(figure, self.directory / "pairs.png")
