"""Tables of cells: gene counts and parameters, read, checked, matched by cell, and counts made comparable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.errors import ResultsError, nearest
from hpcsim.files import read_arrays
from hpcsim.inference.table_file import check_names, listed
from hpcsim.inference.table_file import read_table as read_table

if TYPE_CHECKING:
    from pandas import DataFrame, Series

#: Markers of the families of cortical interneurons that stay beside the ion-channel genes (Bernaerts et al. 2025).
MARKERS = ("Pvalb", "Lamp5", "Vip", "Sst")
#: Genes with fewer reads over all cells are left out (Bernaerts et al. 2025).
MIN_COUNTS = 10

_SHOWN = 5


def read_counts(path: str | Path) -> DataFrame:
    """Raw read counts of genes in cells.

    Parameters
    ----------
    path : path
        A CSV file with a row a cell, its first column naming the cells, its header the genes; or an ``.npz`` file with
        the arrays ``counts`` (cells, genes), ``cells`` and ``genes``.

    Returns
    -------
    DataFrame, shape (cells, genes)

    Raises
    ------
    ResultsError
        If there is no such table, a name is there twice, or a count is missing, negative or no number.
    """
    import pandas

    path = Path(path)
    if path.suffix != ".npz":
        table = read_table(path)
    else:
        try:
            arrays = read_arrays(path)
            table = pandas.DataFrame(arrays["counts"], index=arrays["cells"], columns=arrays["genes"])
        except (OSError, ValueError, KeyError) as error:
            raise ResultsError(
                f"{path}: no gene counts can be read here ({error}); expected the arrays counts (cells, genes), cells and genes"
            ) from error
        check_names(table, path)
    check_finite(table, f"{path}: counts", "fix the table, or leave the cell or the gene out")
    row, column = _first(table.to_numpy() < 0)
    if row >= 0:
        raise ResultsError(
            f"{path}: the count of {table.columns[column]} in cell {table.index[row]} is {table.iat[row, column]}; "
            "expected raw read counts, which are not negative"
        )
    return table


def check_finite(table: DataFrame, where: str, advice: str) -> None:
    """Complain about the first cell and column that is no finite number.

    Raises
    ------
    ResultsError
        Which names cell and column.
    """
    words = [str(name) for name, kind in table.dtypes.items() if kind.kind not in "iufb"]
    if words:
        raise ResultsError(f"{where}: found text in the column {', '.join(words[:_SHOWN])}, expected numbers; {advice}")
    strange = ~np.isfinite(table.to_numpy(float))
    row, column = _first(strange)
    if row >= 0:
        raise ResultsError(
            f"{where}: cell {table.index[row]}, column {table.columns[column]} is {table.iat[row, column]}, expected a finite "
            f"number ({int(strange.any(axis=1).sum())} of {len(table)} cells have such values); {advice}"
        )


def _first(found: np.ndarray) -> tuple[int, int]:
    """Where the first True is, or (-1, -1)."""
    rows, columns = np.nonzero(found)
    return (int(rows[0]), int(columns[0])) if len(rows) else (-1, -1)


def columns_of(table: DataFrame, names: Sequence[str], where: str) -> DataFrame:
    """Those columns of a table.

    Raises
    ------
    ResultsError
        If one is not there, with the nearest that is.
    """
    known = {str(name) for name in table.columns}
    for name in names:
        if name not in known:
            raise ResultsError(f'{where}: there is no column "{name}"; {nearest(name, known)}')
    return table[list(names)]


def chosen_genes(counts: DataFrame, names: Iterable[str], min_counts: int = MIN_COUNTS) -> list[str]:
    """Genes to regress on: those that are named, have enough reads, and differ between cells.

    Parameters
    ----------
    counts : DataFrame, shape (cells, genes)
    names : iterable of str
        Those that are not in the table are passed over: a list of ion channels holds more than was sequenced.
    min_counts : int
        Fewest reads over all cells.

    Returns
    -------
    list of str
        In the order of the table.

    Raises
    ------
    ResultsError
        If none is left.
    """
    wanted = set(names)
    named = [str(name) for name in counts.columns if name in wanted]
    kept = [name for name in named if counts[name].sum() >= min_counts]
    if not kept:
        raise ResultsError(
            f"no gene is left: of {len(wanted)} names {len(named)} are in the table of {counts.shape[1]} genes, "
            f"and none of those has {min_counts} reads; check how the genes are named (such as Kcnc1), or lower min_counts"
        )
    return kept


def log_expression(counts: DataFrame, *, library: Series | None = None, median: float = 0.0) -> DataFrame:
    """Expression that can be compared between cells: log2(counts / library size * median + 1).

    Parameters
    ----------
    counts : DataFrame, shape (cells, genes)
        Of all genes that were sequenced, since their sum is the size of the library.
    library : Series, optional
        Size of the library of each cell, where the table holds a part of its genes.
    median : float
        Median size of the libraries; 0 for that of these cells. To predict from new cells, give the one of the fit.

    Returns
    -------
    DataFrame, shape (cells, genes)

    Raises
    ------
    ResultsError
        If a cell has no reads.

    Notes
    -----
    Bernaerts et al. 2025, after Scala et al. 2021, doi:10.1038/s41586-020-2907-3.
    """
    sizes = counts.sum(axis=1) if library is None else library.loc[counts.index]
    empty = sizes.index[~(sizes > 0)]
    if len(empty):
        raise ResultsError(f"{listed(empty, 'cell')} without any read; leave them out")
    logarithm: DataFrame = np.log2(counts.div(sizes, axis=0) * (median or float(sizes.median())) + 1)
    return logarithm


def matched(
    genes: DataFrame, parameters: DataFrame, fewest: int, names: tuple[str, str] = ("genes", "parameters")
) -> tuple[DataFrame, DataFrame, list[str]]:
    """The cells that both tables have, in the order of the first; rows with NaN parameters (no MAP) are left out.

    Parameters
    ----------
    genes, parameters : DataFrame
        With the cells as index.
    fewest : int
        How many cells are needed.
    names : tuple of str
        What the tables are called, for messages.

    Returns
    -------
    genes, parameters : DataFrame
        With equal indices.
    notes : list of str
        Which cells were left out, and why.

    Raises
    ------
    ResultsError
        If fewer than `fewest` cells are left.
    """
    notes = []
    for here, there, one, other in ((genes, parameters, *names), (parameters, genes, *reversed(names))):
        lone = here.index.difference(there.index, sort=False)
        if len(lone):
            notes.append(f"{listed(lone, 'cell')} in the table of {one} alone, not in that of {other}: left out.")
    common = genes.index[genes.index.isin(parameters.index)]
    finite = np.isfinite(parameters.loc[common].to_numpy(float)).all(axis=1)
    if not finite.all():
        notes.append(f"{listed(common[~finite], 'cell')} with {names[1]} that are not finite: left out.")
    common = common[finite]
    if len(common) < fewest:
        raise ResultsError(
            f"{len(common)} cells can be used, at least {fewest} are needed: the table of {names[0]} has {len(genes)} "
            f"({', '.join(genes.index[:2])} ...), that of {names[1]} {len(parameters)} ({', '.join(parameters.index[:2])} ...). "
            + " ".join([*notes, "Name cells in both tables alike, or use fewer folds."])
        )
    return genes.loc[common], parameters.loc[common], notes


def varying_columns(table: DataFrame, what: str) -> tuple[DataFrame, list[str]]:
    """A table without its constant columns, and a note that names them.

    Raises
    ------
    ResultsError
        If every column is constant.
    """
    constant = table.columns[(table == table.iloc[0]).all(axis=0)]
    if len(constant) == table.shape[1]:
        raise ResultsError(f"all {what}s are constant over the {len(table)} cells; expected at least one that differs")
    notes = [f"{listed(constant, what)} constant over all cells: left out."] if len(constant) else []
    return table.drop(columns=constant), notes
