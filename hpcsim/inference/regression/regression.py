"""Regression: parameters from features with any scikit-learn regressor, judged by repeated random splits."""

from __future__ import annotations

import inspect
import math
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.errors import Problem, ResultsError, StudyError, nearest
from hpcsim.inference.finding import Finding
from hpcsim.inference.inputs import Options, ResultsLike, unit_of, varying
from hpcsim.inference.method import installed, method
from hpcsim.inference.regression.fitted import FEATURE_LIBRARIES, LIBRARIES, Regression, numbers, predict
from hpcsim.space.parameter import Parameter

if TYPE_CHECKING:
    from pandas import DataFrame

    from hpcsim.inference.planned import Planned

SCALERS = ("", "StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "PowerTransformer")

# fewer points leave a 5 % and a 95 % quantile of the error without meaning
_FEWEST = 10
_ALL = "all targets"
_LARGEST = 1e150
# with more points than this, a fit before the sweep would take too long
_REHEARSED = 1000
# these fit any numbers: no second of loading scikit-learn before a sweep
_SURE = tuple(("Ridge", scaler) for scaler in SCALERS)
# modules of scikit-learn where most regressors are
_HOMES = ("linear_model", "neural_network", "ensemble", "svm", "neighbors", "gaussian_process")


def _check(options: Options, planned: Planned) -> Iterator[Problem]:
    """What can be seen before anything is simulated: features, targets, and whether the estimator fits and predicts."""
    found = [*planned.problems_of(options["of"]), *planned.problems_of_parameters(options["targets"], "targets")]
    yield from found
    columns = planned.columns(options["of"])
    targets = options["targets"] or planned.varied
    if not targets:
        yield Problem("targets", "no parameter varies, so there is nothing to infer", "give one several values or a prior")
    elif planned.points < (needed := _needed(options)):
        yield Problem("of", f"at least {needed} points are needed; the design has {planned.points}", "make it longer")
    elif not found:
        yield from _rehearse(options, planned.points, len(columns), len(targets))


def _needed(options: Options) -> int:
    """The fewest points; a train part has at least two."""
    return int(max(_FEWEST, math.ceil(2 / (1 - options["test_fraction"]))))


def _rehearse(options: Options, points: int, n_features: int, n_targets: int) -> Iterator[Problem]:
    """Fit and predict random numbers of the study's shape, where that is quick; an estimator that cannot is told."""
    if (options["estimator"], options["scaler"]) in _SURE and not options["estimator_options"]:
        return
    try:
        pipeline = _build(options["estimator"], options["estimator_options"], options["scaler"], 0, n_targets)
    except StudyError as error:
        yield from error.problems
        return
    train = math.floor(points * (1 - options["test_fraction"]))
    if not 2 <= train <= _REHEARSED:
        return
    random = np.random.default_rng(0)
    # positive, since some regressors take nothing else
    x = random.random((points, n_features))
    y = 0.5 + 0.1 * random.random((points, n_targets)) + x.mean(axis=1, keepdims=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            _attempted(_fit(pipeline, x[:train], y[:train]), x[train:])
        except ResultsError as error:
            yield Problem("estimator", str(error))


@method(
    "inference.regression",
    options=[
        Parameter("of", (), description="names of the outputs that are the features"),
        Parameter("targets", (), description="names of the parameters to infer; none: all that vary"),
        Parameter("estimator", "Ridge", description="a regressor of scikit-learn"),
        Parameter("scaler", "StandardScaler", choices=SCALERS, description="fitted on the train part; empty: none"),
        Parameter("splits", 500, bounds=(2, None), description="how many random train/test splits"),
        Parameter("test_fraction", 0.1, bounds=(0.01, 0.9), description="share of the points in the test part"),
    ],
    tables=("estimator_options",),
    engine="sklearn",
    extra="inference",
    requires=("scikit-learn", "skops"),
    check=_check,
)
def regression(results: ResultsLike, options: Options, directory: Path, seed: int) -> Finding:
    """Infer parameters from features by regression, judged by repeated random train/test splits."""
    features, theta, excluded, notes = _data(results, tuple(options["of"]), tuple(options["targets"]))
    available, finite = len(features), np.isfinite(numbers(features)).all(axis=1)
    features, theta = features[finite], theta[finite]
    needed = _needed(options)
    if len(features) < needed:
        raise ResultsError(
            f"{results.path}: {len(features)} points can be used; at least {needed} are needed. "
            + " ".join(notes or ["Make the design longer."])
        )
    every = results.theta().loc[theta.index]
    if every.duplicated().any():
        notes.append(
            f"{int(every.duplicated(keep=False).sum())} points share their targets with others (replicates): "
            "a test point may have a twin in the train part, which flatters the error."
        )
    constant = [str(name) for name in theta.columns if theta[name].nunique() < 2]
    if constant:
        raise ResultsError(
            f"{results.path}: {', '.join(constant)} has one value in all {len(theta)} points that can be used, so there is "
            f"nothing to infer; name other targets: {', '.join(varying(results)) or 'no parameter varies'}"
        )
    x, y = numbers(features), numbers(theta)
    huge = [str(name) for name, largest in zip(features.columns, np.abs(x).max(axis=0), strict=True) if largest > _LARGEST]
    if huge:
        raise ResultsError(
            f"{results.path}: {', '.join(huge)} has values beyond {_LARGEST:g}, whose squares are no numbers; "
            "give it a larger unit, or leave it out"
        )
    pipeline = _build(options["estimator"], options["estimator_options"], options["scaler"], seed, y.shape[1])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        scores = _evaluate(pipeline, x, y, options["splits"], options["test_fraction"], seed)
        fitted = _fit(pipeline, x, y)
    notes += [f"{n} times {text}" for text, n in Counter(f"{w.category.__name__}: {w.message}" for w in caught).items()]
    if untested := int((scores.tested == 0).sum()):
        notes.append(f"{untested} points were in no test part, so they are not in the figure; more splits would help.")

    units = {name: unit_of(results, name) for name in theta.columns}
    try:
        Regression(fitted, tuple(features.columns), tuple(theta.columns), units, _versions(results)).save(directory)
    except ResultsError as error:  # the errors stand; only the model is lost, and the reader is told
        notes.append(str(error))
    metrics = _metrics(scores, theta, units)
    counts = {
        "points used": len(features),
        "points failed": sum(n for status, n in results.counts.items() if status != "ok"),
        "points with features that are not finite": available - len(features),
        "features": features.shape[1],
        "splits": options["splits"],
    }
    return Finding(
        "inference.regression",
        _title(options, theta),
        {**counts, **metrics},
        _tables(scores, theta, metrics, excluded),
        _figures(scores, theta, units, directory),
        notes,
    )


def _title(options: Options, theta: DataFrame) -> str:
    scaler = options["scaler"]
    through = "" if scaler == "StandardScaler" else f" through {scaler}" if scaler else " without scaling"
    return f"{options['estimator']} regression of {', '.join(theta.columns)} from {', '.join(options['of'])}{through}"


def _data(
    results: ResultsLike, of: tuple[str, ...], targets: tuple[str, ...]
) -> tuple[DataFrame, DataFrame, dict[str, int], list[str]]:
    """Features and targets of the ok points, how often a feature is not finite, and what to tell the reader."""
    if not of:
        raise ResultsError('inference.regression: the option "of" is empty; name the outputs to infer from')
    features = results.features(list(of))
    theta = results.theta(targets) if targets else results.theta()[varying(results)]
    if theta.empty:
        raise ResultsError(f"{results.path}: no numeric parameter varies among the points that are ok")
    theta = theta.loc[features.index]
    words = [str(name) for name in theta.columns if theta[name].dtype.kind not in "iufb"]
    if words:
        raise ResultsError(f"{results.path}: the targets {', '.join(words)} are text; only numbers can be inferred")
    finite = np.isfinite(numbers(features))
    counts = Counter({name: int(n) for name, n in zip(features.columns, (~finite).sum(axis=0), strict=True) if n})
    notes = [f"{n} points left out: {status}." for status, n in results.counts.items() if n and status != "ok"]
    if counts:
        worst = ", ".join(f"{name} ({n})" for name, n in counts.most_common(5)) + (" ..." if len(counts) > 5 else "")
        rows = int((~finite.all(axis=1)).sum())
        notes.append(f"{rows} points left out: features that are not finite: {worst}.")
    return features, theta, dict(counts), notes


def _regressors() -> dict[str, type]:
    """All regressors of scikit-learn that can be made without another estimator, by class name."""
    from sklearn.utils import all_estimators

    return {name: kind for name, kind in all_estimators(type_filter="regressor") if _without_another(kind)}


def _regressor(name: str) -> type | None:
    """One of them, without loading the others where it is in a usual place: all of scikit-learn takes seconds."""
    from sklearn.base import RegressorMixin

    for home in _HOMES:
        kind = getattr(import_module(f"sklearn.{home}"), name, None)
        if inspect.isclass(kind) and issubclass(kind, RegressorMixin) and _without_another(kind):
            return kind
    return _regressors().get(name)


def _without_another(kind: type) -> bool:
    return all(p.default is not p.empty for p in inspect.signature(kind).parameters.values())


def _build(estimator: str, options: Mapping[str, Any] | None, scaler: str, seed: int, n_targets: int) -> Any:
    """An unfitted pipeline of scaler and estimator; an estimator for one target is repeated for each."""
    from sklearn import preprocessing
    from sklearn.multioutput import MultiOutputRegressor
    from sklearn.pipeline import Pipeline
    from sklearn.utils import get_tags

    kind = _regressor(estimator)
    problems = []
    if scaler not in SCALERS:
        problems.append(Problem("scaler", f'there is no scaler "{scaler}"', nearest(scaler, SCALERS[1:])))
    if kind is None:
        hint = nearest(estimator, _regressors())
        problems.append(Problem("estimator", f'scikit-learn has no regressor "{estimator}"', hint))
        raise StudyError(problems, "inference.regression")
    given, valid = dict(options or {}), set(inspect.signature(kind).parameters)
    for name in sorted(set(given) - valid):
        hint = f"allowed: {', '.join(sorted(valid))}"
        problems.append(Problem(f"estimator_options.{name}", f"{estimator} has no such option", hint))
    if problems:
        raise StudyError(problems, "inference.regression")
    if "random_state" in valid:
        given.setdefault("random_state", seed % 2**32)
    regressor = kind(**given)
    if n_targets > 1 and not get_tags(regressor).target_tags.multi_output:
        regressor = MultiOutputRegressor(regressor)
    first = [("scaler", getattr(preprocessing, scaler)())] if scaler else []
    return Pipeline([*first, ("estimator", regressor)])


@dataclass(frozen=True, eq=False)
class _Scores:
    """What repeated splits gave."""

    # shape (splits, targets): test MSE of the regression, and of predicting the mean of the train part;
    # shape (points, targets): mean and sd of a point's out-of-sample predictions, NaN where it was never tested
    errors: np.ndarray
    baseline: np.ndarray
    predicted: np.ndarray
    spread: np.ndarray
    tested: np.ndarray


def _evaluate(pipeline: Any, x: np.ndarray, y: np.ndarray, splits: int, fraction: float, seed: int) -> _Scores:
    """Fit and test on random splits; the pipeline is fitted anew for each, so nothing of a test part is seen before."""
    from sklearn.model_selection import ShuffleSplit

    errors, baseline = np.empty((splits, y.shape[1])), np.empty((splits, y.shape[1]))
    total, square, tested = np.zeros(y.shape), np.zeros(y.shape), np.zeros(len(y), int)
    parts = ShuffleSplit(splits, test_size=fraction, random_state=seed % 2**32).split(x)
    for k, (train, test) in enumerate(parts):
        # sums of residuals, not of predictions: no digits are lost to a large mean
        residual = _predicted(_fit(pipeline, x[train], y[train]), x[test]) - y[test]
        errors[k] = (residual**2).mean(axis=0)
        baseline[k] = ((y[test] - y[train].mean(axis=0)) ** 2).mean(axis=0)
        total[test] += residual
        square[test] += residual**2
        tested[test] += 1
    often = np.where(tested, tested, np.nan)[:, None]
    mean = total / often
    spread = np.sqrt(np.maximum(square / often - mean**2, 0))
    return _Scores(errors, baseline, y + mean, spread, tested)


def _fit(pipeline: Any, x: np.ndarray, y: np.ndarray) -> Any:
    from sklearn.base import clone
    from sklearn.utils import get_tags

    flat = y.shape[1] == 1 and get_tags(pipeline[-1]).target_tags.single_output
    try:
        return clone(pipeline).fit(x, y[:, 0] if flat else y)
    except Exception as error:  # whatever a regressor of scikit-learn raises
        raise ResultsError(
            f"{_name(pipeline)} cannot be fitted to {x.shape[0]} points with {x.shape[1]} features: {_short(error)}"
        ) from error


def _predicted(fitted: Any, x: np.ndarray) -> np.ndarray:
    """Predictions, all finite."""
    found = _attempted(fitted, x)
    lost = int((~np.isfinite(found)).any(axis=1).sum())
    if lost:
        raise ResultsError(
            f"{_name(fitted)} predicts no finite number for {lost} of {len(x)} points that it was not fitted to; "
            "use other options or another estimator"
        )
    return found


def _attempted(fitted: Any, x: np.ndarray) -> np.ndarray:
    try:
        return predict(fitted, x)
    except Exception as error:  # as in _fit
        raise ResultsError(f"{_name(fitted)} was fitted, but cannot predict {len(x)} points: {_short(error)}") from error


def _name(pipeline: Any) -> str:
    # a regressor for one target stands within the one that repeats it
    return type(getattr(pipeline[-1], "estimator", pipeline[-1])).__name__


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _metrics(scores: _Scores, theta: DataFrame, units: Mapping[str, str]) -> dict[str, Any]:
    """Error statistics by target and over all; the latter without MSE where the targets differ in unit."""
    found: dict[str, Any] = {}
    seen, y = scores.tested > 0, theta.to_numpy(float)
    residual = scores.predicted[seen] - y[seen]
    r2 = 1 - _ratio((residual**2).sum(axis=0), ((y[seen] - y[seen].mean(axis=0)) ** 2).sum(axis=0))
    for k, name in enumerate(theta.columns):
        found[name] = _statistics(scores.errors[:, k], scores.baseline[:, k]) | {"R2": float(r2[k])}
    if len(units) > 1:
        ratio = float(_ratio(scores.errors.mean(axis=0), scores.baseline.mean(axis=0)).mean())
        overall = {"ratio": ratio, "R2": float(r2.mean())}
        if len(set(units.values())) == 1:
            overall = _statistics(scores.errors.mean(axis=1), scores.baseline.mean(axis=1)) | overall
        found[_ALL] = overall
    return found


def _statistics(errors: np.ndarray, baseline: np.ndarray) -> dict[str, float]:
    low, median, high = np.quantile(errors, [0.05, 0.5, 0.95])
    return {
        "MSE mean": float(errors.mean()),
        "MSE median": float(median),
        "MSE 5 %": float(low),
        "MSE 95 %": float(high),
        "MSE sd": float(errors.std(ddof=1)),
        "baseline MSE": float(baseline.mean()),
        "ratio": float(_ratio(errors.mean(), baseline.mean())),
    }


def _ratio(error: Any, baseline: Any) -> Any:
    """An error over that of predicting the mean; NaN where the test parts hold one value alone, which nothing can beat."""
    return np.divide(error, baseline, out=np.full(np.shape(error), np.nan), where=np.asarray(baseline) > 0)


def _tables(scores: _Scores, theta: DataFrame, metrics: dict[str, Any], excluded: dict[str, int]) -> dict[str, Any]:
    import pandas

    predictions = theta.add_prefix("true ")
    for k, name in enumerate(theta.columns):
        predictions[f"predicted {name}"] = scores.predicted[:, k]
        predictions[f"sd {name}"] = scores.spread[:, k]
    predictions["splits"] = scores.tested
    errors = {f"MSE {name}": scores.errors[:, k] for k, name in enumerate(theta.columns)}
    errors |= {f"baseline MSE {name}": scores.baseline[:, k] for k, name in enumerate(theta.columns)}
    tables = {
        "metrics": pandas.DataFrame.from_dict(metrics, orient="index"),
        "predictions": predictions,
        "splits": pandas.DataFrame(errors).rename_axis("split"),
    }
    if excluded:
        tables["excluded"] = pandas.Series(excluded, name="points").rename_axis("feature").to_frame()
    return tables


def _figures(scores: _Scores, theta: DataFrame, units: Mapping[str, str], directory: Path) -> dict[str, Path]:
    from hpcsim.inference.regression.plots import mse_distribution, predicted_against_true
    from hpcsim.plotting import save

    names, words = list(theta.columns), [units[name] for name in theta.columns]
    mse, baseline = list(scores.errors.mean(axis=0)), list(scores.baseline.mean(axis=0))
    true = theta.to_numpy(float)
    scatter = predicted_against_true(true, scores.predicted, scores.spread, names, words, mse, baseline)
    spread = mse_distribution(scores.errors, scores.baseline, names, words)
    return {
        "predicted against true": save(scatter, directory / "predicted.png"),
        "test error over splits": save(spread, directory / "mse.png"),
    }


def _versions(results: ResultsLike) -> dict[str, str]:
    """Versions of what fitted the model (installed) and of what computed the features (from the results)."""
    features = {name: str(results.versions[name]) for name in FEATURE_LIBRARIES if name in results.versions}
    return {**features, **installed((*LIBRARIES, "numpy"))}
