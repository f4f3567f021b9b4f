from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hpcsim.errors import ResultsError
from hpcsim.inference.reduced_rank.genes import chosen_genes, log_expression, matched, read_counts, read_table, varying_columns

COUNTS = pd.DataFrame({"Pvalb": [8, 0, 3], "Kcnc1": [2, 4, 0], "Rare": [0, 1, 0]}, index=["a", "b", "c"])


def test_counts_from_csv_and_npz_are_the_same(tmp_path):
    COUNTS.to_csv(tmp_path / "counts.csv")
    arrays = {"counts": COUNTS.to_numpy(), "cells": np.array(list("abc")), "genes": np.array(list(COUNTS.columns))}
    np.savez(tmp_path / "counts.npz", **arrays)
    for name in ("counts.csv", "counts.npz"):
        pd.testing.assert_frame_equal(read_counts(tmp_path / name), COUNTS, check_index_type=False, check_column_type=False)


def test_the_public_counts(bernaerts_data):
    counts = read_counts(bernaerts_data / "m1_gene_counts.npz")
    assert counts.shape == (942, 1000)
    listed = read_table(bernaerts_data / "ion_channel_genes_go.csv").index
    assert len(listed) == 434 and len(chosen_genes(counts, {*listed, "Pvalb", "Lamp5", "Vip", "Sst"})) == 59


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cell,A,B\na,1,2\na,3,4\n", r"1 cell \(a\) there more than once"),
        ("cell,A,A\na,1,2\n", r"1 column \(A\) there more than once"),
        ("cell,A,B\na,1,\nb,2,3\n", r"cell a, column B is nan, expected a finite number \(1 of 2 cells"),
        ("cell,A,B\na,1,x\n", r"found text in the column B, expected numbers"),
        ("cell,A,B\na,1,2\nb,-3,0\n", r"the count of A in cell b is -3; expected raw read counts"),
        ("", r"no table can be read here"),
    ],
)
def test_counts_that_make_no_sense(tmp_path, text, message):
    (tmp_path / "counts.csv").write_text(text)
    with pytest.raises(ResultsError, match=message):
        read_counts(tmp_path / "counts.csv")


def test_an_npz_without_the_arrays_is_refused(tmp_path):
    np.savez(tmp_path / "counts.npz", counts=np.ones((2, 2)))
    with pytest.raises(ResultsError, match="expected the arrays counts"):
        read_counts(tmp_path / "counts.npz")
    # a pickle is never opened
    np.savez(tmp_path / "pickle.npz", counts=np.array([{}], object), cells=["a"], genes=["b"])
    with pytest.raises(ResultsError, match="allow_pickle"):
        read_counts(tmp_path / "pickle.npz")
    (tmp_path / "half.npz").write_bytes((tmp_path / "counts.npz").read_bytes()[:-9])
    with pytest.raises(ResultsError, match="BadZipFile"):
        read_counts(tmp_path / "half.npz")


def test_log_expression_by_hand():
    # libraries of 10, 5 and 3 reads; their median is 5
    found = log_expression(COUNTS)
    assert found.loc["a", "Pvalb"] == pytest.approx(np.log2(8 / 10 * 5 + 1))
    assert found.loc["b", "Kcnc1"] == pytest.approx(np.log2(5)) and found.loc["c", "Rare"] == 0
    # new cells are scaled as those of the fit were, and a part of the genes with the whole library
    part = log_expression(COUNTS.loc[["c"], ["Pvalb"]], library=COUNTS.sum(axis=1), median=5.0)
    assert part.loc["c", "Pvalb"] == pytest.approx(found.loc["c", "Pvalb"])
    with pytest.raises(ResultsError, match=r"1 cell \(d\) without any read"):
        log_expression(pd.concat([COUNTS, COUNTS.iloc[:1].rename({"a": "d"}) * 0]))


def test_genes_are_chosen_by_name_and_reads():
    assert chosen_genes(COUNTS, ["Kcnc1", "Pvalb", "Rare", "Absent"], 5) == ["Pvalb", "Kcnc1"]
    assert chosen_genes(COUNTS, ["Rare"], 1) == ["Rare"]
    with pytest.raises(ResultsError, match="of 2 names 1 are in the table of 3 genes, and none of those has 5 reads"):
        chosen_genes(COUNTS, ["Rare", "Absent"], 5)


def test_cells_of_one_table_alone_are_named():
    parameters = pd.DataFrame({"gNa": [1.0, np.nan, 3.0]}, index=["c", "b", "z"])
    genes, found, notes = matched(COUNTS, parameters, 1)
    assert list(genes.index) == list(found.index) == ["c"] and found.loc["c", "gNa"] == 1.0
    assert notes == [
        "1 cell (a) in the table of genes alone, not in that of parameters: left out.",
        "1 cell (z) in the table of parameters alone, not in that of genes: left out.",
        "1 cell (b) with parameters that are not finite: left out.",
    ]
    with pytest.raises(ResultsError, match=r"0 cells can be used, at least 1 are needed.*3 cells \(x, y, z\) in the table of"):
        matched(COUNTS, pd.DataFrame({"gNa": [1.0] * 3}, index=["x", "y", "z"]), 1)


def test_many_names_are_cut_short():
    notes = matched(COUNTS, pd.DataFrame({"g": 1.0}, index=["a", "b", "c", *(f"x{k}" for k in range(20))]), 1)[2]
    assert notes == ["20 cells (x0, x1, x2, x3, x4, ...) in the table of parameters alone, not in that of genes: left out."]


def test_constant_columns_are_left_out_and_named():
    table, notes = varying_columns(COUNTS.assign(Same=4), "gene")
    assert list(table.columns) == list(COUNTS.columns) and notes == ["1 gene (Same) constant over all cells: left out."]
    assert varying_columns(COUNTS, "gene")[1] == []
    with pytest.raises(ResultsError, match="all parameters are constant over the 3 cells"):
        varying_columns(COUNTS[[]].assign(Same=4), "parameter")
