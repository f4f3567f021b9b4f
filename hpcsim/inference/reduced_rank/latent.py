"""What regressions through a few latent dimensions share: names, scales, scores, cross-validation, and storage."""

from __future__ import annotations

import hashlib
import inspect
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from hpcsim.errors import ResultsError, nearest
from hpcsim.files import read_arrays, write_bytes, write_text
from hpcsim.inference.table_file import stored_names

if TYPE_CHECKING:
    from pandas import DataFrame

_ARRAYS, _ABOUT = "fit.npz", "fit.json"


class LatentRegression(ABC):
    """Regression from a few selected columns, through a few latent dimensions, to all targets.

    It keeps scikit-learn's contract for estimators without importing scikit-learn: the arguments of the constructor are
    attributes, and what a fit finds ends in an underscore. Columns are known by name where tables are given.

    Attributes
    ----------
    features_in_, targets_ : tuple of str
        Columns of `x` and `y`; ``x0``, ``y0`` ... where arrays were given.
    genes_ : tuple of str
        The columns that the fit selected; a prediction needs no others.
    notes_ : dict
        Whatever else is needed to prepare `x` as in the fit, such as the median library size; kept with the fit.
    """

    kind: ClassVar[str]
    features_in_: tuple[str, ...]
    targets_: tuple[str, ...]
    genes_: tuple[str, ...]
    notes_: dict[str, Any]
    # mean and sd, shape (2, selected genes) and (2, targets)
    _x_scale: np.ndarray
    _y_scale: np.ndarray

    @abstractmethod
    def _fit(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Fit z-scored data; return the indices of the selected columns, ascending."""

    @abstractmethod
    def _latent(self, x: np.ndarray) -> np.ndarray:
        """Latent coordinates from the z-scored selected columns."""

    @abstractmethod
    def _decoded(self, latent: np.ndarray) -> np.ndarray:
        """Z-scored targets from latent coordinates."""

    @abstractmethod
    def _arrays(self) -> dict[str, np.ndarray]:
        """What was fitted, by name."""

    @abstractmethod
    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """The inverse of `_arrays`."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments of the constructor, by name."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **values: Any) -> Self:
        """Set arguments of the constructor.

        Raises
        ------
        ResultsError
            If there is no such argument.
        """
        known = self.get_params()
        for name, value in values.items():
            if name not in known:
                raise ResultsError(f'{type(self).__name__} has no option "{name}"; {nearest(name, known)}')
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, RegressorTags, Tags, TargetTags

        target = TargetTags(required=True, multi_output=True, single_output=False)
        return Tags(estimator_type="regressor", target_tags=target, input_tags=InputTags(), regressor_tags=RegressorTags())

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "genes_")

    def fit(self, x: DataFrame | np.ndarray, y: DataFrame | np.ndarray) -> Self:
        """Fit; both tables are z-scored with their own mean and standard deviation.

        Parameters
        ----------
        x : DataFrame or ndarray, shape (cells, genes)
        y : DataFrame or ndarray, shape (cells, targets)

        Raises
        ------
        ResultsError
            If the tables do not fit to each other, a value is not finite, or a target is constant.
        """
        values, targets = _values(x, "x"), _values(y, "y")
        features, names = _names(x, "x"), _names(y, "y")
        if len(values) != len(targets) or len(values) < 3:
            raise ResultsError(f"x has {len(values)} rows and y {len(targets)}; expected equally many, at least 3")
        rows = [list(table.index) for table in (x, y) if not isinstance(table, np.ndarray)]
        if len(rows) == 2 and rows[0] != rows[1]:
            raise ResultsError("the rows of x and y are not named alike; bring them in the same order by cell")
        x_scale, self._y_scale = _scale(values), _scale(targets)
        constant = [name for name, sd in zip(names, np.ptp(targets, axis=0), strict=True) if sd == 0]
        if constant:
            raise ResultsError(f"nothing to explain: constant targets {', '.join(constant)}; leave them out")
        self.features_in_, self.targets_, self.notes_ = features, names, {}
        selected = self._fit(_scaled(values, x_scale), _scaled(targets, self._y_scale))
        self._x_scale = x_scale[:, selected]
        self.genes_ = tuple(features[k] for k in selected)
        return self

    def transform(self, x: DataFrame | np.ndarray) -> np.ndarray:
        """Latent coordinates.

        Parameters
        ----------
        x : DataFrame or ndarray, shape (cells, genes)
            A table needs the columns `genes_`, in any order, and may have others; an array needs all of `features_in_`.

        Returns
        -------
        ndarray, shape (cells, latent dimensions)

        Raises
        ------
        ResultsError
            If it is not fitted, a gene is missing, or a value is not finite.
        """
        return self._latent(_scaled(self._selected(x), self._x_scale))

    def predict(self, x: DataFrame | np.ndarray) -> Any:
        """Predict the targets, in their own units; of a table a table, of an array an array.

        Raises
        ------
        ResultsError
            As :meth:`transform`.
        """
        decoded = self._decoded(self.transform(x))
        values = decoded * self._y_scale[1] + self._y_scale[0]
        if isinstance(x, np.ndarray):
            return values
        import pandas

        return pandas.DataFrame(values, index=x.index, columns=list(self.targets_))

    def score(self, x: DataFrame | np.ndarray, y: DataFrame | np.ndarray) -> float:
        """R2 over all targets, each in its standard deviation; 0 is the mean of the fit's data."""
        residual, total = self._squares(x, y)
        return float(explained(residual.sum(), total.sum()))

    def scores(self, x: DataFrame | np.ndarray, y: DataFrame | np.ndarray) -> dict[str, float]:
        """R2 by target; 0 is the mean of the fit's data."""
        residual, total = self._squares(x, y)
        return dict(zip(self.targets_, explained(residual, total).tolist(), strict=True))

    def _squares(self, x: DataFrame | np.ndarray, y: DataFrame | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        predicted = self._decoded(self.transform(x))
        given = y if isinstance(y, np.ndarray) else y[list(self.targets_)]
        true = _scaled(_values(given, "y"), self._y_scale)
        return ((true - predicted) ** 2).sum(axis=0), (true**2).sum(axis=0)

    def _selected(self, x: DataFrame | np.ndarray) -> np.ndarray:
        if not hasattr(self, "genes_"):
            raise ResultsError(f"{type(self).__name__} is not fitted; call fit first")
        if isinstance(x, np.ndarray):
            if x.ndim != 2 or x.shape[1] != len(self.features_in_):
                raise ResultsError(f"x has shape {x.shape}; expected {len(self.features_in_)} columns, or a table with names")
            position = {name: k for k, name in enumerate(self.features_in_)}
            return _values(x[:, [position[name] for name in self.genes_]], "x")
        missing = [name for name in self.genes_ if name not in x.columns]
        if missing:
            raise ResultsError(
                f"{len(missing)} of the {len(self.genes_)} genes of the fit are missing: {', '.join(missing)}; "
                "a prediction needs all of them"
            )
        return _values(x[list(self.genes_)], "x")

    def save(self, directory: Path) -> Path:
        """Write ``fit.npz`` (arrays) and ``fit.json`` (names, options); no pickle."""
        blob = io.BytesIO()
        arrays: dict[str, Any] = {"x_scale": self._x_scale, "y_scale": self._y_scale, **self._arrays()}
        np.savez(blob, **arrays)
        about = {
            "kind": self.kind,
            "options": self.get_params(),
            "genes": self.genes_,
            "targets": self.targets_,
            "features": self.features_in_,
            "notes": self.notes_,
            "sha256": hashlib.sha256(blob.getvalue()).hexdigest(),
        }
        directory.mkdir(parents=True, exist_ok=True)
        write_bytes(directory / _ARRAYS, blob.getvalue())
        return write_text(directory / _ABOUT, json.dumps(about, indent=2) + "\n")

    @classmethod
    def load(cls, directory: str | Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ResultsError
            If there is no fit of this kind, or it is damaged.
        """
        folder = Path(directory)
        try:
            about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
            blob = (folder / _ARRAYS).read_bytes()
            if about["kind"] != cls.kind:
                raise ResultsError(f"{folder}: found a fit of kind {about['kind']}, expected {cls.kind}; use its own class")
            if about["sha256"] != hashlib.sha256(blob).hexdigest():
                raise ResultsError(f"{folder}: {_ARRAYS} is not the file that {_ABOUT} describes; fit it again")
            arrays = read_arrays(blob)
            # JSON knows no tuples
            options = {name: tuple(value) if isinstance(value, list) else value for name, value in about["options"].items()}
            fit = cls(**options)
            fit._x_scale, fit._y_scale = arrays.pop("x_scale"), arrays.pop("y_scale")
            fit.genes_, fit.targets_ = stored_names(about["genes"]), stored_names(about["targets"])
            fit.features_in_, fit.notes_ = stored_names(about["features"]), dict(about["notes"])
            fit._restore(arrays)
            # parts that do not fit together show here, and not in an analysis
            fit.predict(np.zeros((1, len(fit.features_in_))))
        except ResultsError:
            raise
        except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, MemoryError) as error:
            raise ResultsError(f"{folder}: no fit can be read here ({error!r}); fit it again") from error
        return fit


def parts(n: int, folds: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Train and test rows of each fold; the rows are shuffled with the seed."""
    from sklearn.model_selection import KFold

    yield from KFold(folds, shuffle=True, random_state=seed % 2**32).split(np.empty(n))


def cross_validate(estimator: LatentRegression, x: DataFrame, y: DataFrame, folds: int = 10, seed: int = 42) -> DataFrame:
    """Fit and test on each fold; genes are selected anew in every train part.

    Parameters
    ----------
    estimator : LatentRegression
        Left as it is; copies are fitted.
    x : DataFrame, shape (cells, genes)
    y : DataFrame, shape (cells, targets)
    folds, seed : int

    Returns
    -------
    DataFrame, shape (folds, 2 + targets)
        Number of genes, R2 over all targets, and R2 of each target on the test part.
    """
    import pandas

    rows = []
    for train, test in parts(len(x), folds, seed):
        fit = type(estimator)(**estimator.get_params()).fit(x.iloc[train], y.iloc[train])
        tested = (x.iloc[test], y.iloc[test])
        rows.append({"genes": len(fit.genes_), "R2": fit.score(*tested)} | fit.scores(*tested))
    return pandas.DataFrame(rows).rename_axis("fold")


def _values(table: DataFrame | np.ndarray, what: str) -> np.ndarray:
    try:
        values = np.asarray(table, float)
    except (TypeError, ValueError) as error:
        raise ResultsError(f"{what}: expected numbers ({error})") from error
    if values.ndim != 2 or values.shape[1] == 0:
        raise ResultsError(f"{what} has shape {values.shape}; expected rows of cells and at least one column")
    strange = np.argwhere(~np.isfinite(values))
    if len(strange):
        row, column = strange[0]
        name, cell = (column, row) if isinstance(table, np.ndarray) else (table.columns[column], table.index[row])
        raise ResultsError(
            f"{what}: row {cell}, column {name} is {values[row, column]}, expected a finite number "
            f"({len(set(strange[:, 0]))} of {len(values)} rows have such values); leave such rows out"
        )
    return values


def _names(table: DataFrame | np.ndarray, letter: str) -> tuple[str, ...]:
    if isinstance(table, np.ndarray):
        return tuple(f"{letter}{k}" for k in range(table.shape[1]))
    return tuple(str(name) for name in table.columns)


#: Sums of squares of rounding errors stay far below this, in units of the variance.
_ROUNDING = 1e-20


def explained(residual: np.ndarray, total: np.ndarray) -> np.ndarray:
    """R2 from sums of squares in units of the fit's variance; NaN where true values are its mean but for rounding."""
    varies = np.asarray(total) > _ROUNDING
    return np.asarray(1 - np.divide(residual, total, out=np.full(np.shape(residual), np.nan), where=varies))


def _scale(values: np.ndarray) -> np.ndarray:
    """Mean and standard deviation; 1 for a column that is constant in this part of the data, which so becomes 0."""
    sd = np.where(np.ptp(values, axis=0) > 0, values.std(axis=0), 1.0)
    return np.stack([values.mean(axis=0), sd])


def _scaled(values: np.ndarray, scale: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = (values - scale[0]) / scale[1]
    return scaled
