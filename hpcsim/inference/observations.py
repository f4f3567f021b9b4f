"""Observations: a table of features with a row an observation, checked before anything is inferred from it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from hpcsim.errors import ResultsError, SpaceError, UnitError, nearest
from hpcsim.inference.table_file import check_names, read_rows
from hpcsim.outputs import split_unit
from hpcsim.space.constraint import Constraint
from hpcsim.space.units import convert

if TYPE_CHECKING:
    from pandas import DataFrame, Index, Series

    from hpcsim.inference.scales import Scales

#: Key of a table's attributes under which names and versions of the stages that computed it stand.
EXTRACTOR = "extractor"
#: Key of the rules by which a stage computed them, where it knows several.
DEFINITION = "definition"
_ROUNDED = 1e-6


class Made(Protocol):
    """What tells how features are made: results, or a study that has none yet."""

    @property
    def study(self) -> Mapping[str, Any]:
        """The study file, parsed, with its recipe."""


def read_observations(
    path: Path | str,
    features: Sequence[str],
    units: Mapping[str, str] | None = None,
    *,
    where: str = "",
    given: Sequence[str] = (),
) -> DataFrame:
    """Read a CSV file of observations; the first column names them.

    A column is the feature of its name, with or without the name of the output (``ephys.rest`` or ``rest``), and
    may carry a unit in brackets, which is converted. A file of the same name with the ending ``.json`` may
    hold ``{"extractor": {"features.ephys": "1"}}``: what computed the features, and in which version; and the
    ``definition`` by which it did.

    Parameters
    ----------
    path : path
    features : sequence of str
        Which are wanted, by the names of the results.
    units : mapping of str to str, optional
        Of the features or of their outputs.
    where : str
        A column, or a condition on columns such as ``weight_scaling == 1``: only rows in which it is true are read. Or the
        name of a row. Empty: all.
    given : sequence of str
        Those of the features that are known of every observation, such as its current: rows of one name that differ in
        them are observations of their own, and are named with them.

    Returns
    -------
    DataFrame, shape (observations, features)
        In the given order; ``attrs["extractor"]`` and ``attrs["definition"]`` as the JSON file says.

    Raises
    ------
    ResultsError
        If the file cannot be read, holds no row, or names one twice; or if a feature is missing, there twice, no number
        or not finite.
    UnitError
        If a unit does not fit.
    """
    import pandas

    file = Path(path)
    table = read_rows(file, "observations")
    lines = np.arange(len(table)) + 2
    if where:
        chosen = np.asarray(_chosen(table, where, file))
        table, lines = table[chosen], lines[chosen]
    if table.empty:
        chosen_by = f" with where = {where!r}" if where else ""
        raise ResultsError(f"{file}: there is no observation{chosen_by}; expected a row for each")
    columns = _by_feature(table, features, units or {}, str(file))
    observed = pandas.DataFrame(columns, index=table.index)
    observed.attrs[EXTRACTOR], observed.attrs[DEFINITION] = _sidecar(file.with_suffix(".json"))
    observed.index = _named_apart(observed, [name for name in given if name in columns])
    check_names(observed, file, lines)
    missing = [name for name in features if name not in columns]
    if missing:
        there = [_unitless(str(column)) for column in table.columns]
        raise ResultsError(f"{file}: the features {', '.join(missing)} are missing; {nearest(missing[0], there)}")
    feature_values(observed, features, str(file))
    return observed[list(features)]


def _by_feature(table: DataFrame, features: Sequence[str], units: Mapping[str, str], where: str) -> dict[str, Series]:
    """Columns of a table that are features, by the names of these, in their units."""
    columns: dict[str, Series] = {}
    for position, column in enumerate(table.columns):
        # a label may have brackets of its own
        name, given = _feature(str(column), features), None
        if name is None:
            plain, given = split_unit(str(column))
            name = _feature(plain, features)
        if name is None:
            continue
        if name in columns:
            raise ResultsError(f'{where}: the feature "{name}" is in more than one column; keep one')
        unit = units.get(name, units.get(name.split(".")[0], ""))
        place = f'{where}: column "{column}"'
        columns[name] = _converted(_numeric(table.iloc[:, position], place), unit if given is None else given, unit, place)
    return columns


def _named_apart(observed: DataFrame, given: Sequence[str]) -> Index:
    """Names of the rows; those that are there more than once are told apart by what is known of them."""
    again = observed.index.duplicated(keep=False)
    if not given or not again.any():
        return observed.index
    known = [", ".join(f"{key} {value:.6g}" for key, value in zip(given, row, strict=True)) for row in observed[given].to_numpy()]
    names = [f"{name} ({values})" if twice else name for name, values, twice in zip(observed.index, known, again, strict=True)]
    return observed.index.__class__(names, name=observed.index.name)


def _numeric(column: Series, where: str) -> Series:
    """A column of numbers; a text in it is named with its row."""
    import pandas

    found = pandas.to_numeric(column, errors="coerce")
    texts = column[found.isna() & column.notna()]
    if len(texts):
        advice = "; use a decimal point" if re.fullmatch(r"\s*-?\d*,\d+\s*", str(texts.iloc[0])) else ""
        raise ResultsError(f'{where}: expected numbers, found {texts.iloc[0]!r} in row "{texts.index[0]}"{advice}')
    return found


def _chosen(table: DataFrame, where: str, file: Path) -> Any:
    """Rows in which a column, or a condition on columns, is true."""
    columns = {_unitless(str(column)): table.iloc[:, k] for k, column in enumerate(table.columns)}
    if where not in columns and where in table.index:
        return table.index == where
    if where not in columns and not where.isidentifier():
        return _meeting(columns, where, file)
    if where not in columns:
        raise ResultsError(f'{file}: there is no column "{where}" to choose rows by; {nearest(where, columns)}')
    values = columns[where]
    if not values.isin([0, 1]).all():
        wrong = values[~values.isin([0, 1])]
        raise ResultsError(f'{file}: the column "{where}" chooses rows; expected true, false, 0 or 1, found {wrong.iloc[0]!r}')
    return values.astype(bool)


def _meeting(columns: Mapping[str, Any], where: str, file: Path) -> np.ndarray:
    """Rows that meet a condition; there must be some."""
    try:
        condition = Constraint(where, dotted=True)
        condition.check(name for name, values in columns.items() if values.dtype.kind in "iufb")
        met = condition({name: columns[name].to_numpy() for name in condition.names})
    except SpaceError as error:
        raise ResultsError(f"{file}: where = {where!r} chooses no rows: {error}") from error
    if not met.any():
        there = "; ".join(f"{name} is {_some(columns[name].unique().tolist())}" for name in condition.names)
        raise ResultsError(f"{file}: where = {where!r} holds in none of {len(met)} rows: {there}")
    return met


def _some(values: list[Any]) -> str:
    return ", ".join(map(str, values[:10])) + (", ..." if len(values) > 10 else "")


def _unitless(column: str) -> str:
    return split_unit(column)[0]


def _feature(column: str, features: Sequence[str]) -> str | None:
    """Which feature a column is: the one of that name, or the only one that ends in it."""
    if column in features:
        return column
    endings = [name for name in features if name.split(".", 1)[-1] == column]
    return endings[0] if len(endings) == 1 else None


def _converted(column: Any, unit: str, to: str, where: str) -> Any:
    if unit == to:
        return column
    try:
        offset, end = float(convert(0, unit, to)), float(convert(1, unit, to))
    except UnitError as error:
        raise UnitError(f'{where}: the unit "{unit}" does not fit, the results have "{to}": {error}') from error
    return column.astype(float) * (end - offset) + offset


def _sidecar(path: Path) -> tuple[dict[str, str], str]:
    if not path.exists():
        return {}, ""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): str(version) for name, version in found[EXTRACTOR].items()}, str(found.get(DEFINITION, ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResultsError(f'{path}: expected {{"extractor": {{"stage": "version"}}}} ({error!r}); fix or remove it') from error


def feature_values(
    observations: DataFrame,
    features: Sequence[str],
    where: str = "the observations",
    units: Mapping[str, str] | None = None,
) -> np.ndarray:
    """The features as numbers, by name.

    Parameters
    ----------
    observations : DataFrame, shape (observations, features)
        Other columns may be there. A column is the feature of its name, or one as :func:`read_observations` knows it.
    features : sequence of str
    where : str
        For the message.
    units : mapping of str to str, optional
        Of the features or of their outputs; a column with another unit in brackets is converted.

    Returns
    -------
    ndarray of float64, shape (observations, features)

    Raises
    ------
    ResultsError
        If a feature is missing, or a value is not finite: all such observations are named, with the feature.
    """
    if any(name not in observations.columns for name in features):
        import pandas

        found = _by_feature(observations, features, units or {}, where)
        observations = observations if not found else pandas.DataFrame(found)
    missing = [name for name in features if name not in observations.columns]
    if missing:
        raise ResultsError(
            f"{where}: the features {', '.join(missing)} are missing; {nearest(missing[0], map(str, observations.columns))}"
        )
    try:
        values = observations[list(features)].to_numpy(dtype=float)
    except (TypeError, ValueError, OverflowError) as error:
        raise ResultsError(f"{where}: expected numbers, found something else ({error})") from error
    cells, columns = np.nonzero(~np.isfinite(values))
    if len(cells):
        said = [
            f"{observations.index[cell]}: {features[column]} is {values[cell, column]}"
            for cell, column in zip(cells[:10], columns[:10], strict=True)
        ]
        more = f"; and {len(cells) - 10} more" if len(cells) > 10 else ""
        raise ResultsError(
            f"{where}: {len(set(cells))} of {len(values)} observations have features that are not finite "
            f"({'; '.join(said)}{more}); leave these observations out"
        )
    return np.array(values)


def extractor_of(results: Made) -> dict[str, str]:
    """Names and versions of the stages that made the features of some results, and of the libraries they use.

    Returns
    -------
    dict of str to str
        Empty where the model itself gives the features.
    """
    stages = results.study.get("recipe", {}).get("stages", {})
    return {str(stage["use"]): str(stage["version"]) for stage in stages.values()}


def check_extractor(observations: DataFrame, expected: Mapping[str, str]) -> None:
    """Refuse a table that says it was made by another extractor or version.

    Raises
    ------
    ResultsError
        If a stage of the table is not among the expected ones, or in another version.
    """
    for name, version in observations.attrs.get(EXTRACTOR, {}).items():
        if expected.get(name) != version:
            known = ", ".join(f"{stage} {its}" for stage, its in expected.items()) or "no stage"
            raise ResultsError(
                f"the observations were made with {name} {version}, the simulations with {known}; equal names may mean "
                "other values: compute the features of both with the same extractor and version"
            )


def check_definition(observations: DataFrame, results: Made) -> None:
    """Refuse a table whose extractor followed other rules than the stage of the same name did.

    Raises
    ------
    ResultsError
        If both say which, and they differ.
    """
    theirs = observations.attrs.get(DEFINITION, "")
    for stage in results.study.get("recipe", {}).get("stages", {}).values():
        ours = stage.get("options", {}).get(DEFINITION, "")
        if stage["use"] in observations.attrs.get(EXTRACTOR, {}) and theirs and ours and ours != theirs:
            raise ResultsError(
                f'the observations were made with {stage["use"]} by the definition "{theirs}", the simulations by "{ours}": the '
                "values differ; make the table again, or simulate with its definition"
            )


def checked_observations(
    results: Made,
    path: Path | str,
    features: Sequence[str],
    units: Mapping[str, str],
    *,
    where: str = "",
    given: Sequence[str] = (),
) -> DataFrame:
    """Observations as :func:`read_observations` gives them, if they were computed as the features of some results were.

    Raises
    ------
    ResultsError
        As `read_observations`, `check_extractor` and `check_definition`.
    """
    observed = read_observations(path, features, units, where=where, given=given)
    check_extractor(observed, extractor_of(results))
    check_definition(observed, results)
    return observed


def out_of_range(
    observations: DataFrame,
    features: Sequence[str],
    low: np.ndarray,
    high: np.ndarray,
    sd: np.ndarray | None = None,
    scales: Scales | None = None,
) -> DataFrame:
    """Which observations lie outside the range of the simulations, and by how much.

    Parameters
    ----------
    observations : DataFrame, shape (observations, features)
    features : sequence of str
    low, high : ndarray, shape (features,)
        Range of the simulations.
    sd : ndarray, shape (features,), optional
        Of the simulations, on their scales; the width of the range without it.
    scales : Scales, optional
        On which the network sees the features.

    Returns
    -------
    DataFrame
        A row for each such value: feature, value, low, high, and the distance from the range in per cent of its width
        and in standard deviations of the simulations.
    """
    import pandas

    values = feature_values(observations, features)
    beyond = np.maximum(low - values, values - high)
    width = np.where(high > low, high - low, np.inf)
    # results in float32 have ends that are rounded
    cells, columns = np.nonzero(beyond > _ROUNDED * np.maximum(np.abs(low), np.abs(high)))
    seen, start, end = ((scales.forward(v) if scales else v) for v in (values, low, high))
    spread = np.where(end > start, end - start, np.inf) if sd is None else np.where(sd > 0, sd, np.inf)
    table = {
        "feature": [features[k] for k in columns],
        "value": values[cells, columns],
        "low": low[columns],
        "high": high[columns],
        "beyond (%)": 100 * beyond[cells, columns] / width[columns],
        "beyond (sd)": (np.maximum(start - seen, seen - end) / spread)[cells, columns],
    }
    return pandas.DataFrame(table, index=observations.index[cells])
