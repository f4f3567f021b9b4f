"""A fitted regression: what it needs and gives by name, stored without pickle."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.files import write_bytes, write_text
from hpcsim.inference.method import installed
from hpcsim.inference.table_file import stored_names

if TYPE_CHECKING:
    from pandas import DataFrame

#: A stored model is read by these versions and no others: scikit-learn promises nothing across versions.
LIBRARIES = ("scikit-learn", "skops")

#: What computes features: another version may give equal names other values (catch22 0.4 and 1.0 do).
FEATURE_LIBRARIES = ("pycatch22", "efel")

#: Types beyond the defaults of skops that a stored model may hold; parts of scikit-learn's own regressors.
TRUSTED = (
    "sklearn._loss.loss.HalfGammaLoss",
    "sklearn._loss.loss.HalfPoissonLoss",
    "sklearn._loss.loss.HalfSquaredError",
    "sklearn._loss.loss.HalfTweedieLoss",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
)


@dataclass(frozen=True, eq=False)
class Regression:
    """A fitted regression that knows the names of what it needs and gives.

    Parameters
    ----------
    pipeline : sklearn Pipeline
    features, targets : tuple of str
        Columns that it needs and gives.
    units : dict of str to str
        Of the targets.
    versions : dict of str to str
        Of the libraries that fitted it and that computed the features.
    """

    pipeline: Any
    features: tuple[str, ...]
    targets: tuple[str, ...]
    units: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def predict(self, features: DataFrame) -> DataFrame:
        """Predict the targets; columns are addressed by name, in any order.

        Parameters
        ----------
        features : DataFrame, shape (points, features)

        Returns
        -------
        DataFrame, shape (points, targets)
            With the same index, in the units of `units`.

        Raises
        ------
        ResultsError
            If a column is missing, too many or there twice, or if a value is no finite number.
        """
        import pandas

        check_names([str(name) for name in features.columns], self.features, "the features")
        values = numbers(features[list(self.features)])
        rows, columns = np.nonzero(~np.isfinite(values))
        if len(rows):
            row, column = rows[0], columns[0]
            raise ResultsError(
                f'row "{features.index[row]}", column "{self.features[column]}" is {values[row, column]}; expected '
                f"finite numbers ({len(set(rows))} of {len(values)} rows have others); leave such rows out"
            )
        predicted = predict(self.pipeline, values) if len(values) else np.empty((0, len(self.targets)))
        return pandas.DataFrame(predicted, index=features.index, columns=list(self.targets))

    def save(self, directory: Path) -> Path:
        """Write ``model.skops`` and ``model.json``; no pickle.

        Raises
        ------
        ResultsError
            If the estimator holds types that could not be read back safely.
        """
        import skops.io

        blob = skops.io.dumps(self.pipeline)
        strange = sorted(set(skops.io.get_untrusted_types(data=blob)) - set(TRUSTED))
        if strange:
            raise ResultsError(f"the model is not kept: {', '.join(strange)} cannot be read back safely")
        directory.mkdir(parents=True, exist_ok=True)
        write_bytes(directory / "model.skops", blob)
        about = {
            "features": self.features,
            "targets": self.targets,
            "units": self.units,
            "versions": self.versions,
            "sha256": hashlib.sha256(blob).hexdigest(),
        }
        return write_text(directory / "model.json", json.dumps(about, indent=2) + "\n")


def load_regression(
    path: str | Path, features: Sequence[str] | None = None, versions: Mapping[str, str] | None = None
) -> Regression:
    """Read a regression that :meth:`Regression.save` wrote.

    Parameters
    ----------
    path : path
        The directory of the finding.
    features : sequence of str, optional
        The features that it is to be used with, in any order; others than the stored ones are refused.
    versions : mapping of str to str, optional
        Versions of the libraries that computed those features; by default the installed ones.

    Raises
    ------
    ResultsError
        If there is no model, if it is damaged, or if features or versions differ from the stored ones.
    """
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    directory = Path(path)
    try:
        about = json.loads((directory / "model.json").read_text(encoding="utf-8"))
        blob = (directory / "model.skops").read_bytes()
        intact = about["sha256"] == hashlib.sha256(blob).hexdigest()
        names, targets = (stored_names(about[key]) for key in ("features", "targets"))
        units, stored = dict(about["units"]), dict(about["versions"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise ResultsError(f"{directory}: no regression can be read here ({error!r}); fit it again") from error
    if not intact:
        raise ResultsError(f"{directory}: model.skops is not the file that model.json describes; fit it again")
    if features is not None:
        check_names(list(features), names, f"{directory}: the features")
    found = {**installed(FEATURE_LIBRARIES), **(versions or {}), **installed(LIBRARIES)}
    for library in (*LIBRARIES, *FEATURE_LIBRARIES):
        if library in stored and library in found and stored[library] != found[library]:
            raise ResultsError(
                f"{directory}: fitted with {library} {stored[library]}, found {found[library]}; "
                f"install {library}=={stored[library]} or fit it again"
            )
    try:
        pipeline = skops.io.loads(blob, trusted=list(TRUSTED))
        found_targets = predict(pipeline, np.zeros((1, len(names)))).shape[1]
        if found_targets != len(targets):
            raise ValueError(f"it predicts {found_targets} numbers, and there are {len(targets)} targets")
    except UntrustedTypesFoundException as error:
        raise ResultsError(f"{directory}: model.skops holds types that are not trusted; beware ({error})") from error
    except Exception as error:
        # skops, zipfile and scikit-learn raise nearly anything at parts that do not fit together
        raise ResultsError(f"{directory}: model.skops cannot be read ({error!r}); fit it again") from error
    return Regression(pipeline, names, targets, units, stored)


def numbers(table: DataFrame) -> np.ndarray:
    """A table as floats, shape (rows, columns)."""
    try:
        return np.asarray(table.to_numpy(dtype=float))
    except (TypeError, ValueError) as error:
        words = [str(name) for name in table.columns if table[name].dtype.kind not in "iufb"]
        raise ResultsError(f"expected numbers; found something else in {', '.join(words)}") from error


def predict(pipeline: Any, x: np.ndarray) -> np.ndarray:
    """Targets of each row, shape (rows, targets), also where there is one."""
    return np.asarray(pipeline.predict(x), float).reshape(len(x), -1)


def check_names(found: Sequence[str], expected: Sequence[str], where: str) -> None:
    """Raise when two lists do not hold the same names, each once."""
    wrong = {
        "missing": [name for name in expected if name not in set(found)],
        "not expected": [name for name in found if name not in set(expected)],
        "there twice": sorted(name for name, n in Counter(found).items() if n > 1),
    }
    if any(wrong.values()):
        said = "; ".join(f"{word}: {', '.join(names)}" for word, names in wrong.items() if names)
        raise ResultsError(f"{where} are not those that the regression was fitted with: {said}")
