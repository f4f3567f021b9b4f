"""Tables of the features of observed cells: stored with the extractor that made them, and checked when they are read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.data.public import DATASETS, fetch
from hpcsim.errors import ResultsError, nearest
from hpcsim.files import regular, write_text
from hpcsim.inference.observations import DEFINITION, EXTRACTOR, feature_values
from hpcsim.stages.features.ephys import NAME, PUBLISHED, STATISTICS, VERSION

if TYPE_CHECKING:
    from pandas import DataFrame


def describe(definition: str, *, rest_after: bool, junction_potential: float) -> dict[str, Any]:
    """How a table of observations was made, for its ``attrs`` and the JSON file beside it.

    Parameters
    ----------
    definition : str
        Of the extractor.
    rest_after : bool
        Whether the rest is taken after the current step, too.
    junction_potential : float, mV
        What was subtracted.

    Returns
    -------
    dict
        With the extractor's name and version under ``extractor``.
    """
    about = {DEFINITION: definition, "rest_after": rest_after, "junction_potential": junction_potential}
    return {EXTRACTOR: {NAME: VERSION}, **about}


#: Names of the statistics in the public tables, in their order.
_COLUMNS = (
    *(f"ap{n}_{what}" for n in (1, 3) for what in ("threshold_mV", "amplitude_mV", "width_ms", "ahp_mV")),
    *("log_count_p3", "log_count_1st8th_p3", "log_count_1st4th_p3", "log_count_1sthalf_p3", "log_count_2ndhalf_p3"),
    *("log_amp_adapt", "sigm_amp_adapt_avg", "log_ap_cv", "log_isi_adapt", "log_isi_cv", "log_latency_p0.4_ms"),
    *("rest_vm_mean_mV", "vm_mean_mV", "vm_var_mV2", "vm_skewness"),
)
#: Public tables that are known to be made by this extractor's rules: their columns, and how they were made.
_PUBLIC = {
    "bernaerts2025/m1_observed_features.csv": (
        dict(zip(_COLUMNS, STATISTICS, strict=True)),
        describe(PUBLISHED, rest_after=True, junction_potential=15.4),
    ),
    "bernaerts2025/v1_observed_features.csv": (
        dict(zip(_COLUMNS, STATISTICS, strict=True)),
        describe(PUBLISHED, rest_after=True, junction_potential=14.0),
    ),
}


def save_observations(table: DataFrame, path: str | Path) -> Path:
    """Write a table of :func:`hpcsim.recordings.nwb.observed_table` as CSV, and beside it a JSON file of how it was made.

    Parameters
    ----------
    table : DataFrame
    path : path
        Ends in ``.csv``.

    Returns
    -------
    Path

    Raises
    ------
    ResultsError
        If the table does not say how it was made, or the path does not end in ``.csv``.
    """
    file = Path(path)
    if EXTRACTOR not in table.attrs:
        raise ResultsError('the table does not say what made it; expected attrs["extractor"] as observed_table gives it')
    if file.suffix != ".csv":
        raise ResultsError(f"{file}: expected a name that ends in .csv")
    write_text(file, table.to_csv())
    write_text(file.with_suffix(".json"), json.dumps(dict(table.attrs), indent=2) + "\n")
    return file


def load_observations(
    source: str | Path,
    features: Sequence[str] = (),
    *,
    definition: str = "",
    keep: Sequence[str] = (),
    incomplete: str = "raise",
) -> DataFrame:
    """Read a table of observations that this extractor, in this version, made.

    Parameters
    ----------
    source : str or path
        A CSV file with its JSON file beside it, or the name of a public table (see :func:`hpcsim.data.public.fetch`).
    features : sequence of str
        Which statistics; all without.
    definition : str
        Refuse a table of another definition than this one; empty: any.
    keep : sequence of str
        Other columns that are wanted, as they are.
    incomplete : str
        What becomes of cells with a feature that is missing or not finite: ``raise`` names them, ``drop`` leaves them out
        and writes their names into ``attrs["dropped"]``.

    Returns
    -------
    DataFrame, shape (cells, features + keep)
        ``attrs`` say how it was made.

    Raises
    ------
    ResultsError
        If the table cannot be read, was made by another extractor, version or definition, lacks a column, or has
        features that are not finite.

    Examples
    --------
    >>> cells = load_observations("bernaerts2025/m1_observed_features.csv", incomplete="drop")  # doctest: +SKIP
    """
    import pandas

    if incomplete not in ("raise", "drop"):
        raise ResultsError(f'incomplete is "{incomplete}"; expected raise or drop')
    public = str(source) in DATASETS
    file = fetch(str(source)) if public else Path(source)
    try:
        table = pandas.read_csv(regular(file), index_col=0)
    except (OSError, ValueError) as error:
        raise ResultsError(f"{file}: no observations can be read ({error}); expected a CSV file with a header") from error
    columns, about = _PUBLIC[str(source)] if str(source) in _PUBLIC else ({}, _sidecar(file))
    _check_maker(file, about, definition)
    table = table.rename(columns=columns)
    wanted = list(features) or list(STATISTICS)
    for name in wanted:
        if name not in STATISTICS:
            raise ResultsError(f'{NAME} has no feature "{name}"; {nearest(name, STATISTICS)}')
    for name in (*wanted, *keep):
        if name not in table.columns:
            raise ResultsError(f'{file}: there is no column "{name}"; {nearest(name, map(str, table.columns))}')
    table = table[[*wanted, *keep]]
    dropped: list[str] = []
    if incomplete == "drop":
        whole = np.isfinite(table[wanted].to_numpy(dtype=float)).all(axis=1)
        dropped, table = [str(cell) for cell in table.index[~whole]], table[whole]
    feature_values(table, wanted, str(file))
    table.attrs.update(about, dropped=dropped)
    return table


def public_observations(name: str, path: Path) -> Path:
    """Write a public table as a file of observations, with all of its other columns; incomplete cells are left out.

    Parameters
    ----------
    name : str
        Such as ``bernaerts2025/m1_observed_features.csv``.
    path : Path
        The CSV file to write; its folder is made.

    Returns
    -------
    Path
        The same path.

    Raises
    ------
    ResultsError
        If there is no such table; or as :func:`hpcsim.data.public.fetch`.
    """
    import pandas

    if name not in _PUBLIC:
        raise ResultsError(f'there is no public table of observations "{name}"; {nearest(name, _PUBLIC)}')
    columns, _ = _PUBLIC[name]
    others = [str(column) for column in pandas.read_csv(fetch(name), index_col=0, nrows=0).columns if column not in columns]
    table = load_observations(name, keep=others, incomplete="drop")
    path.parent.mkdir(parents=True, exist_ok=True)
    return save_observations(table, path)


def _sidecar(file: Path) -> dict[str, Any]:
    path = file.with_suffix(".json")
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        return {**about, EXTRACTOR: dict(about[EXTRACTOR])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultsError(
            f"{path}: expected a JSON file that tells the extractor of {file.name} and its version ({error!r}); make the table "
            "again with observed_table and save_observations"
        ) from error


def _check_maker(file: Path, about: dict[str, Any], definition: str) -> None:
    if about[EXTRACTOR] != {NAME: VERSION}:
        made = ", ".join(f"{name} {version}" for name, version in about[EXTRACTOR].items())
        raise ResultsError(
            f"{file}: made with {made}, this is {NAME} {VERSION}: equal names may mean other values; make the table again"
        )
    if definition and about.get(DEFINITION) != definition:
        raise ResultsError(
            f'{file}: made with the definition "{about.get(DEFINITION)}", expected "{definition}": the statistics differ; make '
            "the table again, or simulate with its definition"
        )
