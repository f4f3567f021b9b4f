"""Sparse reduced-rank regression: parameters of cells from a few of their genes, through a few latent dimensions.

Kobak et al. 2021, doi:10.1111/rssc.12494; Bernaerts et al. 2025 go from genes to conductances with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpcsim.errors import PluginError, Problem, ResultsError
from hpcsim.inference.finding import Finding
from hpcsim.inference.inputs import Options, ResultsLike, varying
from hpcsim.inference.method import method
from hpcsim.inference.reduced_rank.genes import (
    MARKERS,
    MIN_COUNTS,
    chosen_genes,
    columns_of,
    log_expression,
    matched,
    read_counts,
    read_table,
    varying_columns,
)
from hpcsim.inference.reduced_rank.latent import LatentRegression, cross_validate
from hpcsim.inference.reduced_rank.sparse import SparseReducedRank, axes, mean_curves, nested_cross_validate, penalty_curves
from hpcsim.plugin import not_installed
from hpcsim.space.parameter import Parameter

if TYPE_CHECKING:
    from pandas import DataFrame

    from hpcsim.inference.planned import Planned


def _check(options: Options, planned: Planned) -> Iterator[Problem]:
    """What can be seen before anything is simulated: the tables are there."""
    del planned
    if not options["genes"]:
        yield Problem("genes", "it is empty", "give the path of a table of counts")
    for name in ("genes", "gene_list", "parameters", "families"):
        if options[name] and not Path(options[name]).is_file():
            yield Problem(name, f"there is no file {options[name]}", "relative paths begin in the current folder")


@method(
    "inference.reduced_rank",
    options=[
        Parameter("genes", "", description="raw counts: CSV with a row a cell, or npz with counts, cells, genes"),
        Parameter("gene_list", "", description="CSV whose first column names the genes to use (ion channels); empty: all"),
        Parameter("markers", MARKERS, description="genes that are used besides the list", source="Bernaerts et al. 2025"),
        Parameter("min_counts", MIN_COUNTS, bounds=(0, None), description="fewest reads of a gene over all cells"),
        Parameter("parameters", "", description="CSV with a row a cell; empty: those of the results, whose ids name the cells"),
        Parameter("targets", (), description="columns of the parameters; none: all that vary"),
        Parameter("families", "", description="CSV with a row a cell, for the colours of the figure"),
        Parameter("family", "family", description="column of the families"),
        Parameter("rank", 2, bounds=(1, None), description="latent dimensions"),
        Parameter("n_genes", 25, bounds=(1, None), description="genes to select"),
        Parameter("ranks", (1.0, 2.0, 5.0, 13.0), description="ranks of the curves and of the nested cross-validation"),
        Parameter("l1_ratio", 1.0, bounds=(0.01, 1.0), description="1: row lasso; less: elastic net"),
        Parameter("relaxed", True, description="refit the selected genes with a ridge"),
        Parameter("folds", 10, bounds=(2, None), description="folds of the cross-validation"),
        Parameter("inner_folds", 5, bounds=(2, None), description="folds within a train part"),
        Parameter("network", False, description="fit the sparse bottleneck network as well (needs torch)"),
    ],
    engine="sklearn",
    extra="inference",
    requires=("scikit-learn",),
    check=_check,
)
def reduced_rank(results: ResultsLike, options: Options, directory: Path, seed: int) -> Finding:
    """Find the genes that explain the parameters of cells, by sparse reduced-rank regression."""
    from hpcsim.inference.reduced_rank.bottleneck_figure import gene_curves
    from hpcsim.plotting import save

    data = _data(results, options)
    x, y = data.expression, data.parameters
    ranks = sorted({min(int(rank), y.shape[1], x.shape[1]) for rank in options["ranks"]})
    common = {"l1_ratio": options["l1_ratio"], "relaxed": options["relaxed"]}
    folds = {"folds": options["folds"], "seed": seed}
    estimator = SparseReducedRank(options["rank"], options["n_genes"], **common)
    scores = cross_validate(estimator, x, y, **folds)
    curves = penalty_curves(x, y, ranks, **folds, **common)
    nested = nested_cross_validate(x, y, ranks, inner_folds=options["inner_folds"], **folds, **common)
    fit = estimator.fit(x, y)
    fit.notes_["median library size"] = data.median
    fit.save(directory)
    metrics: dict[str, Any] = {"cells": len(x), "genes": x.shape[1], "genes selected": len(fit.genes_)}
    metrics |= {"R2": _spread(scores), "R2, rank and penalty chosen by nested cross-validation": _spread(nested)}
    metrics |= {f"R2 of {name}": _spread(scores, name) for name in y.columns}
    tables = {
        "cross_validation": scores,
        "curves": mean_curves(curves),
        "nested": nested,
        "gene_weights": fit.gene_weights(),
        "parameter_weights": fit.target_weights(),
        "latent": _latent_table(fit, data),
    }
    figures = _drawn(fit, data, "sparse reduced-rank regression", directory / "bottleneck.png")
    figure = gene_curves(tables["curves"], float(scores["genes"].mean()), metrics["R2"]["mean"], metrics["R2"]["sd"])
    figures["R2 over genes"] = save(figure, directory / "curves.png")
    if options["network"]:
        added = _network(data, options, directory, seed)
        metrics, tables, figures = metrics | added.metrics, tables | added.tables, figures | added.figures
    title = f"{len(fit.genes_)} of {x.shape[1]} genes explain {metrics['R2']['mean']:.0%} of {y.shape[1]} parameters"
    return Finding("inference.reduced_rank", title, metrics, tables, figures, data.notes)


@dataclass(frozen=True, eq=False)
class _Data:
    """Tables of the cells that both have, with equal indices; what a reader must know of those left out."""

    expression: DataFrame
    parameters: DataFrame
    families: list[str]
    median: float
    notes: list[str]


def _data(results: ResultsLike, options: Options) -> _Data:
    if not options["genes"]:
        raise ResultsError('inference.reduced_rank: the option "genes" is empty; give the path of a table of counts')
    # a fold has at least two cells
    counts, parameters, notes = matched(read_counts(options["genes"]), _parameters(results, options), 2 * options["folds"])
    parameters, constant = varying_columns(parameters, "parameter")
    listed = read_table(options["gene_list"]).index if options["gene_list"] else counts.columns
    names = {*listed, *options["markers"]}
    genes = chosen_genes(counts, names, options["min_counts"])
    notes.append(
        f"{len(genes)} of {len(names)} named genes are used; the others are not in the table or have fewer than "
        f"{options['min_counts']} reads."
    )
    expression, same = varying_columns(log_expression(counts)[genes], "gene")
    families = _families(options, counts.index)
    return _Data(expression, parameters, families, float(counts.sum(axis=1).median()), [*notes, *constant, *same])


def _parameters(results: ResultsLike, options: Options) -> DataFrame:
    """Of the table, or of the results' ok points."""
    where, targets = options["parameters"] or str(results.path), list(options["targets"])
    table = read_table(where) if options["parameters"] else results.theta(targets or varying(results))
    if table.select_dtypes("number").empty:
        raise ResultsError(f"{where}: no column holds numbers; expected parameters of cells")
    return columns_of(table, targets, where) if targets else table.select_dtypes("number")


def _families(options: Options, cells: Sequence[str]) -> list[str]:
    if not options["families"]:
        return []
    column = columns_of(read_table(options["families"]), [options["family"]], options["families"])[options["family"]]
    return [str(column.get(cell, "unknown")) for cell in cells]


def _spread(scores: DataFrame, column: str = "R2") -> dict[str, float]:
    """Mean and standard deviation over folds."""
    return {"mean": float(scores[column].mean()), "sd": float(scores[column].std(ddof=0))}


def _latent_table(fit: LatentRegression, data: _Data) -> DataFrame:
    import pandas

    latent = fit.transform(data.expression)
    table = pandas.DataFrame(latent, index=data.expression.index, columns=axes(latent.shape[1])).rename_axis("cell")
    return table.assign(family=data.families) if data.families else table


def _drawn(fit: LatentRegression, data: _Data, title: str, path: Path) -> dict[str, Path]:
    """The bottleneck figure; none where there are fewer than two dimensions."""
    from hpcsim.inference.reduced_rank.bottleneck_figure import bottleneck
    from hpcsim.plotting import save

    latent = fit.transform(data.expression)
    if latent.shape[1] < 2:
        return {}
    return {title: save(bottleneck(latent, data.expression[list(fit.genes_)], data.parameters, data.families, title=title), path)}


def _network(data: _Data, options: Options, directory: Path, seed: int) -> Finding:
    """The same regression with the sparse bottleneck network."""
    from hpcsim.inference.reduced_rank.bottleneck import SparseBottleneck

    if find_spec("torch") is None:
        raise PluginError(not_installed("inference.reduced_rank with network = true", "torch", "sbi"))
    network = SparseBottleneck(rank=options["rank"], n_genes=options["n_genes"], seed=seed % 2**32)
    scores = cross_validate(network, data.expression, data.parameters, folds=options["folds"], seed=seed)
    fit = network.fit(data.expression, data.parameters)
    fit.notes_["median library size"] = data.median
    fit.save(directory / "network")
    tables = {"network_cross_validation": scores, "network_latent": _latent_table(fit, data)}
    figures = _drawn(fit, data, "sparse bottleneck network", directory / "network.png")
    return Finding("inference.reduced_rank", "network", {"R2 of the bottleneck network": _spread(scores)}, tables, figures)
