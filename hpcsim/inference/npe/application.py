"""What a posterior says of observations: samples, maxima, and how well they do when they are simulated again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.files import replacing, write_text
from hpcsim.inference.finding import Finding
from hpcsim.inference.inputs import Options, Simulate
from hpcsim.inference.note import Note
from hpcsim.inference.npe.notes import distance_notes, leakage_notes, range_notes
from hpcsim.inference.npe.posterior import Posterior
from hpcsim.inference.npe.refinement import Refinement, listed
from hpcsim.inference.npe.selection import nearest_rows
from hpcsim.inference.observations import EXTRACTOR, out_of_range
from hpcsim.inference.predictive import Resimulate, Resimulation, follow_up, performance, spread
from hpcsim.inference.scales import Scales
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
        self._locate()
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
        resimulation = Resimulation(results, self.simulations.outputs, self._known, self.simulate)

        def resimulate(theta: DataFrame, name: str, other_noise: int = 0) -> DataFrame:
            return self._measured(resimulation(theta, name, other_noise))

        features = resimulate(pandas.concat([maxima, samples]), "check")
        met = {"MAP": features[: len(maxima)]}
        if some.shape[1]:
            met[f"{some.shape[1]} samples"] = features[len(maxima) :]
        if self.options["refine"]:
            met["refined MAP"] = self._refine(np.concatenate([best, some], axis=1), resimulate)
        table = performance(self._features, met, self._scale)
        self.finding.tables["performance"] = table.assign(**{"distance in sd of": self.options["distance"]})
        self.finding.metrics["performance"] = {
            f"{name}: {column}": float(row[column]) for name, row in table.iterrows() for column in ("fail (%)", "distance mean")
        }
        self.finding.notes.extend(self._distance_notes())

    def _refine(self, start: np.ndarray, resimulate: Resimulate) -> DataFrame:
        """Features of refined parameters, simulated with noise that they were not chosen by."""
        found = self.simulations
        seen = found.x_scales.forward(self.observed.to_numpy(float))
        rows, _ = nearest_rows(found.blocks(4096), seen, _NEAREST, *found.moments)
        near = found.theta_scales.inverse(found.take(rows.ravel())[0].reshape(*rows.shape, -1).astype(float))
        refinement = Refinement(
            self.posterior.prior, self._features, resimulate, self.options["refine"], self.options["candidates"], self._scale
        )
        refined, progress = refinement(np.concatenate([start, near], axis=1), self.seed)
        self.finding.tables["refined"], self.finding.tables["refinement"] = refined, progress
        return resimulate(refined, "refined", _FRESH)

    @property
    def _known(self) -> DataFrame:
        return self.observed[list(self.options["given"])]

    @cached_property
    def _features(self) -> DataFrame:
        """What counts for the distance: what is given is met by itself."""
        return self._measured(self.observed.drop(columns=list(self.options["given"])))

    def _measured(self, features: DataFrame) -> DataFrame:
        """Features as a distance is measured: on the scales of the network, if in the spread of the simulations."""
        if self.options["distance"] == "observations" or not self.simulations.x_scales:
            return features
        names = features.columns
        scales = Scales(names, {k: v for k, v in self.simulations.x_scales.scales.items() if k in names})
        return features.assign(**dict(zip(names, scales.forward(features.to_numpy(float)).T, strict=True)))

    @cached_property
    def _scale(self) -> np.ndarray:
        """What features are divided by in the distance."""
        if self.options["distance"] == "simulations":
            return self.simulations.moments[1][: len(self._features.columns)]
        return spread(self._features.to_numpy(float))

    def _distance_notes(self) -> Iterator[Note]:
        """In what a distance is measured."""
        n = len(self.observed) if self.options["distance"] == "observations" else self.simulations.summary.valid
        yield Note(
            f"A distance is the Euclidean norm of the differences of all features, each in its standard deviation over the {n} "
            f"{self.options['distance']}.",
            "distance",
        )
        same = [str(name) for name, width in zip(self._features.columns, self._scale, strict=True) if np.isinf(width)]
        if same:
            advice = 'distance = "simulations" measures it.'
            text = f"{', '.join(same)} has one value in all observations: it counts for nothing in the distance."
            yield Note(text, "constant_feature", "warning", len(same), advice)

    def _store(self, samples: np.ndarray) -> None:
        import h5py

        with replacing(self.directory / "samples.h5") as temporary, h5py.File(temporary, "w") as file:
            dataset = file.create_dataset("samples", data=samples.astype(np.float32), compression="gzip", shuffle=True)
            dataset.attrs["dims"] = ["observation", "sample", "parameter"]
            file["parameter"] = list(self.posterior.parameters)
            file["observation"] = [str(name) for name in self.observed.index]
        hopeless = ~np.isfinite(samples).all(axis=(1, 2))
        if hopeless.any():
            some = ", ".join(map(str, self.observed.index[hopeless][:5]))
            text = f"{int(hopeless.sum())} observations have too few samples within the prior: {some}."
            self.finding.notes.append(Note(text, "without_samples", "warning", int(hopeless.sum()), "Nothing is known of these."))
        self.finding.metrics.update({"observations": len(self.observed), "observations without samples": int(hopeless.sum())})

    def _locate(self) -> None:
        """Where the observations lie: in the range of the simulations or out of it, near to some, in the prior."""
        import pandas

        from hpcsim.inference.npe.plots import reach
        from hpcsim.plotting import save

        features, found = self.posterior.features, self.simulations
        low, high = np.array([self.posterior.reach[name] for name in features]).T
        table = out_of_range(self.observed, features, low, high, found.moments[1], found.x_scales)
        if not table.empty:
            self.finding.tables["out_of_range"] = table
        ratio = found.remoteness(found.x_scales.forward(self.observed.to_numpy(float)))
        outside = 100 * self.posterior.leakage(self.observed, seed=self.seed)
        self.finding.notes.extend(range_notes(table, len(self.observed)))
        self.finding.notes.extend(distance_notes(ratio, self.observed.index, table.index))
        self.finding.notes.extend(leakage_notes(outside, self.observed.index))
        beyond = table.groupby(table.index)["beyond (sd)"].max().reindex(self.observed.index, fill_value=0.0)
        columns = {"outside the prior (%)": outside, "out of range (sd)": beyond, "remoteness": ratio}
        self.finding.tables["each_observation"] = pandas.DataFrame(columns, index=self.observed.index)
        by_name = dict(zip(map(str, self.observed.index), outside.tolist(), strict=True))
        self.finding.metrics["posterior outside the prior (%)"] = by_name
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
        from hpcsim.plotting import pairs, save

        whole = np.flatnonzero(np.isfinite(samples).all(axis=(1, 2)))
        if len(whole):
            first, names = whole[0], list(self.posterior.parameters)
            words = [self.posterior.units.get(name, "") for name in names]
            title = f"posterior of {maxima.index[first]}"
            figure = pairs(samples[first], names, words, maxima.iloc[first][names].to_numpy(float), title)
            self.finding.figures["pairs"] = save(figure, self.directory / "pairs.png")
