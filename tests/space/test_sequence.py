from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hpcsim.space import sequence


@pytest.mark.parametrize("name", sequence.ENDLESS)
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**80), start=st.integers(0, 5000), count=st.integers(1, 40), dims=st.integers(1, 9))
def test_rows_do_not_depend_on_company(name: str, seed: int, start: int, count: int, dims: int) -> None:
    table = sequence.ENDLESS[name](seed, dims, start, start + count)
    assert table.shape == (count, dims)
    assert ((table > 0) & (table < 1)).all()
    last = sequence.ENDLESS[name](seed, dims, start + count - 1, start + count)
    assert last[0].tolist() == table[-1].tolist()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 99), start=st.integers(0, 300), count=st.integers(1, 99), length=st.integers(1, 99))
def test_hypercube_rows_do_not_depend_on_company(seed: int, start: int, count: int, length: int) -> None:
    table = sequence.lhs(seed, 3, start, start + count, length)
    assert ((table > 0) & (table < 1)).all()
    assert sequence.lhs(seed, 3, start + count - 1, start + count, length)[0].tolist() == table[-1].tolist()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 99), length=st.integers(1, 300), cube=st.integers(0, 5))
def test_every_stratum_has_one_point(seed: int, length: int, cube: int) -> None:
    table = sequence.lhs(seed, 4, cube * length, (cube + 1) * length, length)
    strata = np.floor(table * length)
    assert (np.sort(strata, axis=0) == np.arange(length)[:, None]).all()


def test_strata_are_in_random_order() -> None:
    table = sequence.lhs(3, 8, 0, 1000, 1000)
    correlations = np.corrcoef(np.column_stack([table, np.arange(1000)]), rowvar=False)[np.triu_indices(9, 1)]
    assert abs(correlations).max() < 4.5 / 1000**0.5
    # every order of three strata is about equally frequent
    orders = np.floor(sequence.lhs(3, 1, 0, 18_000, 3) * 3).reshape(-1, 3)
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > 0.001


def test_random_numbers_are_uniform_and_independent() -> None:
    table = sequence.random(7, 5, 0, 20_000)
    assert all(stats.kstest(table[:, i], "uniform").pvalue > 0.001 for i in range(5))
    assert abs(np.corrcoef(table, rowvar=False)[np.triu_indices(5, 1)]).max() < 4.5 / 20_000**0.5
    assert (table != sequence.random(8, 5, 0, 20_000)).all()
    assert (sequence.redraw(7, 5, 3, 0, 10) != sequence.redraw(7, 5, 4, 0, 10)).all()
    assert sequence.redraw(7, 5, 3, 8, 10).tolist() == sequence.redraw(7, 5, 3, 0, 10)[8:].tolist()


def test_random_numbers_are_those_of_philox() -> None:
    # the generator's stream is part of every id of a random design and may never change
    assert sequence.random(0, 2, 0, 1)[0].tolist() == [0.9639936340268833, 0.42256611136182737]
    assert sequence.random(0, 5, 10**12, 10**12 + 1)[0, 4] == 0.6042734753899497
    assert sequence.lhs(0, 2, 5, 6, 10)[0].tolist() == [0.2973423990388794, 0.0038237133755330164]


@pytest.mark.parametrize("name", ["sobol", "halton"])
def test_low_discrepancy(name: str) -> None:
    table = sequence.ENDLESS[name](1, 4, 0, 1024)
    assert stats.qmc.discrepancy(table) < 0.2 * stats.qmc.discrepancy(sequence.random(1, 4, 0, 1024))


def test_far_rows_cost_no_memory() -> None:
    import tracemalloc

    tracemalloc.start()
    for function in sequence.ENDLESS.values():
        function(0, 13, 14_999_999, 15_000_000)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()
