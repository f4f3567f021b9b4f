"""Neural posterior estimation with the networks of sbi: NPE, and NPE-N with noise on nearby simulations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from hpcsim.errors import Problem, ResultsError, StudyError
from hpcsim.inference.application import Application
from hpcsim.inference.density import DENSITIES, Architecture, build, classifier
from hpcsim.inference.method import Finding, Options, ResultsLike, Simulate, method, unit_of
from hpcsim.inference.noise import KINDS
from hpcsim.inference.observations import checked_observations, extractor_of
from hpcsim.inference.posterior import Posterior
from hpcsim.inference.prior import Prior
from hpcsim.inference.selection import SCHEDULES, TrainingSet, training_set
from hpcsim.inference.simulations import Simulations, Summary
from hpcsim.inference.training import History, Recipe, train
from hpcsim.space.parameter import Parameter

if TYPE_CHECKING:
    from pandas import DataFrame

    from hpcsim.collector.results import Results

_NAME = "inference.npe"
#: The classifier of valid simulations learns from at most so many points.
_JUDGED = 200_000
# fewer simulations than this for each parameter and feature do not even tell means and correlations apart
_EACH = 10


@method(
    _NAME,
    options=[
        Parameter("of", (), description="names of the outputs that are the features"),
        Parameter("parameters", (), description="names of the parameters to infer; none: all that the study draws"),
        Parameter("given", (), description="parameters that are known of every observation, such as its current"),
        Parameter("observations", "", description="a CSV file (a row an observation), study:NAME, or data:NAME (public)"),
        Parameter("where", "", description="column of the observations, or condition on columns, that holds in rows to take"),
        Parameter("density", "maf", choices=DENSITIES, description="masked autoregressive or neural spline flow"),
        Parameter("hidden", 50, bounds=(1, 4096), description="units of a hidden layer"),
        Parameter("transforms", 5, bounds=(2, 64), description="layers of the flow"),
        Parameter("schedule", 0, bounds=(0, 4), description="; ".join(f"{k}: {text}" for k, text in SCHEDULES.items())),
        Parameter("nearest", 1000, bounds=(1, None), description="simulations of each observation, schedules 1 to 4"),
        Parameter("simulations", 0, bounds=(0, None), description="the most simulations of schedule 0; 0: all"),
        Parameter("noise", "none", choices=KINDS, description="sd of the noise: published sqrt(eps sd), relative eps sd"),
        Parameter("epsilon", 0.1, bounds=(0, None), description="strength of the noise"),
        Parameter("invalid", "exclude", choices=("exclude", "classifier"), description="what is done with invalid simulations"),
        Parameter("batch", 200, bounds=(1, None), description="simulations of a training step"),
        Parameter("rate", 5e-4, bounds=(1e-8, 1), description="learning rate"),
        Parameter("stop_after", 20, bounds=(1, None), description="epochs without improvement"),
        Parameter("epochs", 0, bounds=(0, None), description="the most epochs; 0: no limit"),
        Parameter("device", "cpu", choices=("cpu", "cuda")),
        Parameter("checkpoints", True, description="whether a killed training goes on where it was"),
        Parameter("samples", 1000, bounds=(1, None), description="posterior samples of each observation"),
        Parameter("checks", 10, bounds=(0, None), description="samples of each observation that are simulated again"),
        Parameter("refine", 0, bounds=(0, None), description="rounds of refinement of the maxima by simulation; 0: none"),
        Parameter("candidates", 16, bounds=(1, None), description="simulations of each observation in such a round"),
        Parameter("calibration", 200, bounds=(0, None), description="simulations held back for calibration; 0: none"),
    ],
    engine="sbi",
    extra="inference",
    requires=("sbi", "nflows", "torch"),
    simulates=True,
)
def npe(results: ResultsLike, options: Options, directory: Path, seed: int, simulate: Simulate | None = None) -> Finding:
    """Infer the posterior of parameters given features with a normalising flow (NPE, NPE-N)."""
    _check(options)
    prior = Prior.of(results, options["parameters"])
    simulations = Simulations(cast("Results", results), prior.names, options["of"], options["given"])
    units = {name: unit_of(results, name) for name in (*prior.names, *simulations.features)}
    observed = _observations(results, options, simulations.features, units)
    summary = simulations.summary
    _check_enough(summary, simulations)
    data = _training_set(simulations, observed, options, seed)
    posterior, history, notes = _train(simulations, data, prior, options, directory, seed)
    posterior.units, posterior.extractor = units, extractor_of(results)
    ends = zip(summary.x_low.tolist(), summary.x_high.tolist(), strict=True)
    posterior.reach = dict(zip(simulations.features, ends, strict=True))
    posterior.save(directory)
    finding = Finding(
        _NAME,
        f"{_what(options)}: {options['density'].upper()} posterior of {', '.join(prior.names)} given {', '.join(options['of'])}",
        _metrics(summary, data, history),
        notes=[*_counted(simulations, options), *notes],
    )
    _draw_training(finding, history, directory)
    if len(data.test_x):
        _calibrate(finding, posterior, data, directory, seed)
    if observed is not None:
        Application(finding, posterior, observed, simulations, options, directory, seed, simulate).run()
    return finding


def _what(options: Options) -> str:
    """The name of the variant, as Bernaerts et al. 2025 have it."""
    kind = "NPE" if options["noise"] == "none" else "NPE-N"
    return f"{kind}, schedule {options['schedule']}" if options["schedule"] else kind


def _check(options: Options) -> None:
    """Options that make no sense together."""
    import torch

    problems = []
    if options["schedule"] >= 2 and options["noise"] == "none":
        hint = f"allowed with schedule {options['schedule']}: published, relative"
        problems.append(Problem("noise", "found none, and the schedule adds noise", hint))
    if options["schedule"] >= 1 and not options["observations"]:
        problems.append(Problem("observations", f"schedule {options['schedule']} needs them", "give it a CSV file"))
    if both := set(options["parameters"]) & set(options["given"]):
        problems.append(Problem("given", f"{', '.join(sorted(both))} cannot be both known and inferred"))
    if options["given"] and not options["parameters"]:
        problems.append(Problem("parameters", "must be named where some are given"))
    if options["device"] == "cuda" and not torch.cuda.is_available():
        problems.append(Problem("device", "torch finds no cuda device on this machine", 'use "cpu"'))
    if problems:
        raise StudyError(problems, _NAME)


def _observations(results: ResultsLike, options: Options, features: tuple[str, ...], units: dict[str, str]) -> DataFrame | None:
    if not options["observations"]:
        return None
    return checked_observations(results, options["observations"], features, units, where=options["where"])


def _check_enough(summary: Summary, simulations: Simulations) -> None:
    needed = _EACH * (len(simulations.parameters) + len(simulations.features))
    if summary.valid < needed:
        worst = ", ".join(f"{name} ({n})" for name, n in sorted(summary.missing.items(), key=lambda item: -item[1])[:5])
        raise ResultsError(
            f"{simulations.path}: {summary.valid} of {summary.total} simulations are valid ({summary.failed} failed, "
            f"{summary.invalid} have features that are not finite{': ' + worst if worst else ''}); the network needs at "
            f"least {needed}, better thousands: make the design longer"
        )
    constant = [name for name, sd in zip(simulations.features, summary.x_sd, strict=True) if sd == 0]
    if constant:
        raise ResultsError(
            f"{simulations.path}: {', '.join(constant)} has one value in all simulations, so it says nothing; leave it out"
        )


def _training_set(simulations: Simulations, observed: DataFrame | None, options: Options, seed: int) -> TrainingSet:
    return training_set(
        simulations,
        None if observed is None else observed.to_numpy(float),
        schedule=options["schedule"],
        nearest=options["nearest"],
        most=options["simulations"],
        noise=options["noise"],
        epsilon=options["epsilon"],
        held=options["calibration"],
        seed=seed,
    )


def _train(
    simulations: Simulations, data: TrainingSet, prior: Prior, options: Options, directory: Path, seed: int
) -> tuple[Posterior, History, list[str]]:
    """The posterior, how its network was trained, and what to tell the reader."""
    architecture = Architecture(options["density"], options["hidden"], options["transforms"])
    settings = {name: options[name] for name in ("batch", "rate", "stop_after", "epochs", "device")}
    recipe = Recipe(**settings, seed=seed)
    network = build(architecture, data.theta, data.x, seed)
    history = train(network, network.loss, data.theta, data.x, recipe, _checkpoint(options, directory, "training"))
    notes = []
    weights = sum(parameter.numel() for parameter in network.parameters())
    if len(data.theta) < weights:
        notes.append(f"The network has {weights} weights and was trained on {len(data.theta)} simulations: it may overfit.")
    if not history.since >= recipe.stop_after:
        notes.append(f"Training was stopped after {history.epochs} epochs while the validation loss was still improving.")
    validity, said = _validity(simulations, options, recipe, directory)
    return Posterior(network, prior, simulations.features, architecture, validity), history, [*notes, *said]


def _checkpoint(options: Options, directory: Path, name: str) -> Path | None:
    return directory / f"{name}.safetensors" if options["checkpoints"] else None


def _validity(simulations: Simulations, options: Options, recipe: Recipe, directory: Path) -> tuple[Any, list[str]]:
    """The network that tells valid simulations, if it is asked for and there are others, and what to tell the reader."""
    from torch.nn.functional import binary_cross_entropy_with_logits

    summary = simulations.summary
    if options["invalid"] == "exclude" or summary.valid == summary.total:
        return None, []
    theta, valid = simulations.validity(_JUDGED)
    network = classifier(theta.mean(axis=0), np.maximum(theta.std(axis=0), 1e-12), recipe.seed)

    def loss(some: Any, truth: Any) -> Any:
        return binary_cross_entropy_with_logits(network(some), truth, reduction="none")

    history = train(network, loss, theta, valid, recipe, _checkpoint(options, directory, "validity"))
    share = float(valid.mean())
    baseline = -(share * np.log(share) + (1 - share) * np.log(1 - share))
    note = (
        f"The posterior is multiplied by the chance that a simulation is valid, learned from {len(theta)} points "
        f"(cross-entropy {history.best:.3f} nats; knowing the share alone, {baseline:.3f})."
    )
    return network, [note]


def _counted(simulations: Simulations, options: Options) -> list[str]:
    """What became of points that cannot be trained on: said also when there are none."""
    summary = simulations.summary
    what = "left out" if options["invalid"] == "exclude" else "left out of the density, and learned by the classifier"
    notes = [
        f"{summary.total} simulations: {summary.failed} failed and {summary.invalid} have features that are not finite; "
        f"these were {what}. {summary.valid} are valid ({100 * summary.valid / summary.total:.2f} %)."
    ]
    if summary.missing:
        worst = sorted(summary.missing.items(), key=lambda item: -item[1])[:5]
        notes.append("Features that are not finite: " + ", ".join(f"{name} ({n})" for name, n in worst) + ".")
    return notes


def _metrics(summary: Summary, data: TrainingSet, history: History) -> dict[str, Any]:
    return {
        "simulations": summary.total,
        "simulations failed": summary.failed,
        "simulations invalid": summary.invalid,
        "valid (%)": 100 * summary.valid / summary.total,
        "training rows": len(data.theta),
        "epochs": history.epochs,
        "validation loss (nats)": history.best,
    }


def _draw_training(finding: Finding, history: History, directory: Path) -> None:
    import pandas

    from hpcsim.inference.plots import losses
    from hpcsim.report.figures import save

    table = pandas.DataFrame({"training": history.training, "validation": history.validation})
    finding.tables["losses"] = table.rename_axis("epoch")
    finding.figures["losses"] = save(losses(history), directory / "losses.png")


def _calibrate(finding: Finding, posterior: Posterior, data: TrainingSet, directory: Path, seed: int) -> None:
    from hpcsim.inference.diagnostics import calibration
    from hpcsim.inference.plots import calibrated
    from hpcsim.report.figures import save

    found = calibration(posterior, data.test_theta, data.test_x, seed=seed)
    finding.tables["calibration"], finding.tables["coverage"] = found.table(), found.covered()
    finding.figures["calibration"] = save(calibrated(found), directory / "calibration.png")
    if lost := len(data.test_theta) - len(found.coverage):
        finding.notes.append(f"Calibration without {lost} of {len(data.test_theta)} simulations, whose posterior leaks.")
