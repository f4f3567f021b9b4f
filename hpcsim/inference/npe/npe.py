"""Neural posterior estimation with the networks of sbi: NPE, and NPE-N with noise on nearby simulations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from hpcsim.errors import Problem, ResultsError, StudyError
from hpcsim.inference.finding import Finding
from hpcsim.inference.inputs import Options, ResultsLike, Simulate, unit_of
from hpcsim.inference.method import method
from hpcsim.inference.note import Note
from hpcsim.inference.npe.application import Application
from hpcsim.inference.npe.density import DENSITIES, Architecture, build, classifier
from hpcsim.inference.npe.noise import KINDS
from hpcsim.inference.npe.notes import coverage_notes, overfitting_notes
from hpcsim.inference.npe.posterior import Posterior
from hpcsim.inference.npe.selection import SCHEDULES, TrainingSet, training_set
from hpcsim.inference.npe.training import History, TrainingConfig, losses_of, parted, train
from hpcsim.inference.observations import checked_observations, extractor_of
from hpcsim.inference.prior import Prior
from hpcsim.inference.simulations import Simulations, Summary
from hpcsim.space.parameter import Parameter

if TYPE_CHECKING:
    from pandas import DataFrame

    from hpcsim.collector.results import Results
    from hpcsim.inference.planned import Planned

_NAME = "inference.npe"
#: The classifier of valid simulations learns from at most so many points.
_JUDGED = 200_000
# fewer simulations than this for each parameter and feature do not even tell means and correlations apart
_EACH = 10
_ROUNDING = 1e-12
# simulations that tell the loss on those that the network was trained on
_LOOKED_AT = 20_000


def _problems(options: Options) -> Iterator[Problem]:
    """Options that make no sense together."""
    if options["schedule"] >= 2 and options["noise"] == "none":
        hint = f"allowed with schedule {options['schedule']}: published, relative"
        yield Problem("noise", "found none, and the schedule adds noise", hint)
    if options["schedule"] >= 1 and not options["observations"]:
        yield Problem("observations", f"schedule {options['schedule']} needs them", "give it a CSV file")
    if both := set(options["parameters"]) & set(options["given"]):
        yield Problem("given", f"{', '.join(sorted(both))} cannot be both known and inferred")
    if options["given"] and not options["parameters"]:
        yield Problem("parameters", "must be named where some are given")
    if options["device"] == "cuda":
        import torch

        if not torch.cuda.is_available():
            yield Problem("device", "torch finds no cuda device on this machine", 'use "cpu"')


def _check(options: Options, planned: Planned) -> Iterator[Problem]:
    """What can be seen before anything is simulated."""
    yield from _problems(options)
    found = [*planned.problems_of(options["of"]), *planned.problems_of_parameters(options["given"], "given")]
    found += planned.problems_of_parameters(options["parameters"], "parameters")
    if not planned.drawn:
        hint = "give [space] a distribution, such as { uniform = [0, 1] }"
        found.append(Problem("parameters", "the study draws no parameter, so there is no prior", hint))
    yield from found
    if not found:
        names, features = options["parameters"] or planned.drawn, [*planned.columns(options["of"]), *options["given"]]
        needed = _EACH * (len(names) + len(features))
        if planned.points < needed:
            what = f"{len(names)} parameters and {len(features)} features want at least {needed} simulations, better thousands"
            yield Problem("of", f"{what}; the design has {planned.points}", "make it longer")
        yield from planned.problems_of_observations(features, options)


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
        Parameter("distance", "simulations", choices=("simulations", "observations"), description="whose sd a distance is in"),
        Parameter("samples", 1000, bounds=(1, None), description="posterior samples of each observation"),
        Parameter("checks", 10, bounds=(0, None), description="samples of each observation that are simulated again"),
        Parameter("refine", 0, bounds=(0, None), description="rounds of refinement of the maxima by simulation; 0: none"),
        Parameter("candidates", 16, bounds=(1, None), description="simulations of each observation in such a round"),
        Parameter("calibration", 200, bounds=(0, None), description="simulations held back for calibration; 0: none"),
    ],
    engine="sbi",
    extra="sbi",
    requires=("sbi", "nflows", "torch"),
    check=_check,
    simulates=True,
)
def npe(results: ResultsLike, options: Options, directory: Path, seed: int, simulate: Simulate | None = None) -> Finding:
    """Infer the posterior of parameters given features with a normalising flow (NPE, NPE-N)."""
    if problems := list(_problems(options)):
        raise StudyError(problems, _NAME)
    prior = Prior.of(results, options["parameters"])
    simulations = Simulations(cast("Results", results), prior.names, options["of"], options["given"])
    units = {name: unit_of(results, name) for name in (*prior.names, *simulations.features)}
    observed = _observations(results, options, simulations.features, units)
    if observed is not None and options["distance"] == "observations" and len(observed) < 2:
        problem = Problem("distance", "one observation has no spread to measure a distance in", 'use "simulations"')
        raise StudyError([problem], _NAME)
    summary = simulations.summary
    _check_enough(summary, simulations)
    simulations.choose_scales(prior.decades)
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
        notes=[*_counted(simulations, options), *_scale_notes(posterior), *notes],
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


def _observations(results: ResultsLike, options: Options, features: tuple[str, ...], units: dict[str, str]) -> DataFrame | None:
    if not options["observations"]:
        return None
    return checked_observations(results, options["observations"], features, units, where=options["where"], given=options["given"])


def _check_enough(summary: Summary, simulations: Simulations) -> None:
    needed = _EACH * (len(simulations.parameters) + len(simulations.features))
    if summary.valid < needed:
        worst = ", ".join(f"{name} ({n})" for name, n in sorted(summary.missing.items(), key=lambda item: -item[1])[:5])
        raise ResultsError(
            f"{simulations.path}: {summary.valid} of {summary.total} simulations are valid ({summary.failed} failed, "
            f"{summary.invalid} have features that are not finite{': ' + worst if worst else ''}); the network needs at "
            f"least {needed}, better thousands: make the design longer"
        )
    # what varies in the last digits of a double is rounding
    spread = summary.x_sd > _ROUNDING * np.abs(summary.x_mean)
    constant = [name for name, varies in zip(simulations.features, spread, strict=True) if not varies]
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
    config = TrainingConfig(**settings, seed=seed)
    network = build(architecture, data.theta, data.x, seed)
    history = train(network, network.loss, data.theta, data.x, config, _checkpoint(options, directory, "training"))
    notes: list[str] = list(_overfitting(network, data, config))
    if not history.since >= config.stop_after:
        notes.append(f"Training was stopped after {history.epochs} epochs while the validation loss was still improving.")
    validity, said = _validity(simulations, options, config, directory)
    posterior = Posterior(network, prior, simulations.features, architecture, validity)
    posterior.theta_scales, posterior.x_scales = simulations.theta_scales, simulations.x_scales
    return posterior, history, [*notes, *said]


def _overfitting(network: Any, data: TrainingSet, config: TrainingConfig) -> Iterator[Note]:
    """What the losses on the network's own simulations and on others say."""
    validation, rows = parted(len(data.theta), config)
    # what only told when to stop stands in where nothing was held back
    others = (data.test_theta, data.test_x) if len(data.test_theta) else (data.theta[validation], data.x[validation])
    own = data.theta[rows[:_LOOKED_AT]], data.x[rows[:_LOOKED_AT]]
    return overfitting_notes(*(losses_of(network.loss, theta, x, config) for theta, x in (own, others)))


def _checkpoint(options: Options, directory: Path, name: str) -> Path | None:
    return directory / f"{name}.safetensors" if options["checkpoints"] else None


def _scale_notes(posterior: Posterior) -> Iterator[Note]:
    """What the network sees on another scale."""
    every = {**posterior.theta_scales.scales, **posterior.x_scales.scales}
    if every:
        named = ", ".join(f"{name} ({scale.kind})" for name, scale in every.items())
        yield Note(
            f"Values that a linear scale does not show to the network are on another one: {named}. Densities are those of the "
            "quantities themselves.",
            "scales",
        )


def _validity(simulations: Simulations, options: Options, config: TrainingConfig, directory: Path) -> tuple[Any, list[str]]:
    """The network that tells valid simulations, if it is asked for and there are others, and what to tell the reader."""
    from torch.nn.functional import binary_cross_entropy_with_logits

    summary = simulations.summary
    if options["invalid"] == "exclude" or summary.valid == summary.total:
        return None, []
    theta, valid = simulations.validity(_JUDGED)
    network = classifier(theta.mean(axis=0), np.maximum(theta.std(axis=0), 1e-12), config.seed)

    def loss(some: Any, truth: Any) -> Any:
        return binary_cross_entropy_with_logits(network(some), truth, reduction="none")

    history = train(network, loss, theta, valid, config, _checkpoint(options, directory, "validity"))
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
        "points used": summary.valid,
        "training rows": len(data.theta),
        "epochs": history.epochs,
        "validation loss (nats)": history.best,
    }


def _draw_training(finding: Finding, history: History, directory: Path) -> None:
    import pandas

    from hpcsim.inference.npe.plots import losses
    from hpcsim.plotting import save

    table = pandas.DataFrame({"training": history.training, "validation": history.validation})
    finding.tables["losses"] = table.rename_axis("epoch")
    finding.figures["losses"] = save(losses(history), directory / "losses.png")


def _calibrate(finding: Finding, posterior: Posterior, data: TrainingSet, directory: Path, seed: int) -> None:
    from hpcsim.inference.npe.diagnostics import calibration
    from hpcsim.inference.npe.plots import calibrated
    from hpcsim.plotting import save

    truth, x = posterior.theta_scales.inverse(data.test_theta), posterior.x_scales.inverse(data.test_x)
    found = calibration(posterior, truth, x, seed=seed)
    finding.tables["calibration"], finding.tables["coverage"] = found.table(), found.covered()
    finding.figures["calibration"] = save(calibrated(found), directory / "calibration.png")
    finding.notes.extend(coverage_notes(found))
    if lost := len(data.test_theta) - len(found.coverage):
        finding.notes.append(f"Calibration without {lost} of {len(data.test_theta)} simulations, whose posterior leaks.")
