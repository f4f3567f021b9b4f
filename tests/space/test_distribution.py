from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hpcsim.errors import SpaceError
from hpcsim.space import Choice, Fixed, Linspace, Logspace, Loguniform, Normal, Truncnormal, Uniform, Values
from hpcsim.space.distribution import Enumerated, Sampled, _rounded

U = np.concatenate([np.logspace(-12, -1, 50), np.linspace(0.1, 0.9, 200), 1 - np.logspace(-1, -12, 50)])
SAMPLED: list[tuple[Sampled, Any]] = [
    (Uniform(-2.0, 3.0), stats.uniform(-2, 5)),
    (Loguniform(1e-3, 1e4), stats.loguniform(1e-3, 1e4)),
    (Normal(-70.0, 2.5), stats.norm(-70, 2.5)),
    (Truncnormal(1.0, 2.0, 0.5, 4.0), stats.truncnorm(-0.25, 1.5, 1, 2)),
    (Truncnormal(0.0, 1.0, 6.0, 9.0), stats.truncnorm(6, 9)),
    (Truncnormal(0.0, 1.0, -9.0, -6.0), stats.truncnorm(-9, -6)),
    (Truncnormal(0.0, 1.0, -8.0, 8.0), stats.truncnorm(-8, 8)),
]
ENUMERATED: list[Enumerated] = [
    Values((3.0, 1.0, 2.0)),
    Values(("b", "a")),
    Values(((1.0, 2.0), (3.0, 4.0))),
    Values((True, False)),
    Linspace(0.1, 0.7, 601),
    Logspace(1e-3, 7e5, 501),
    Fixed("x"),
]


@pytest.mark.parametrize(("ours", "theirs"), SAMPLED, ids=lambda value: str(value)[:40])
def test_quantile_and_density_are_those_of_scipy(ours: Sampled, theirs: Any) -> None:
    np.testing.assert_allclose(ours.quantile(U), theirs.ppf(U), rtol=2e-11, atol=1e-12)
    x = np.concatenate([theirs.ppf(np.linspace(0.01, 0.99, 50)), [-1e9, 1e9]])
    np.testing.assert_allclose(ours.log_prob(x), theirs.logpdf(x), rtol=1e-9)
    ends = theirs.support()
    np.testing.assert_allclose([ours.low, ours.high], ends)
    extremes = ours.quantile(np.array([2.0**-54, 1 - 2.0**-53]))
    assert (extremes >= ours.low).all() and (extremes <= ours.high).all() and np.isfinite(extremes).all()


@pytest.mark.parametrize(("ours", "theirs"), SAMPLED, ids=lambda value: str(value)[:40])
def test_draws_follow_the_distribution(ours: Sampled, theirs: Any) -> None:
    draws = ours.quantile(np.random.default_rng(5).random(20_000))
    assert stats.kstest(draws, theirs.cdf).pvalue > 0.001


def test_choice() -> None:
    choice = Choice(("a", "b", "a"))
    drawn = choice.quantile(np.array([0.1, 0.4, 0.9, 1 - 2.0**-53]))
    assert drawn.tolist() == ["a", "b", "a", "a"]
    np.testing.assert_allclose(np.exp(choice.log_prob(drawn)), [2 / 3, 1 / 3, 2 / 3, 2 / 3])
    assert choice.log_prob(np.array(["c"])).tolist() == [-np.inf]
    numbers = Choice((3, 1, 2))
    assert (numbers.low, numbers.high) == (1.0, 3.0)
    assert numbers.quantile(np.array([0.5])).dtype == np.int64


@pytest.mark.parametrize("distribution", ENUMERATED, ids=str)
def test_a_value_alone_is_the_value_in_the_list(distribution: Enumerated) -> None:
    whole = distribution.at(np.arange(len(distribution)))
    alone = [distribution.at(np.array([i]))[0] for i in range(len(distribution))]
    assert whole.tolist() == alone
    assert distribution.at(np.array([len(distribution) - 1, 0, 0])).tolist() == [alone[-1], alone[0], alone[0]]


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.integers(2, 50))
def test_linspace_hits_its_ends(low: float, high: float, n: int) -> None:
    if low < high:
        values = Linspace(low, high, n).at(np.arange(n))
        assert (values[0], values[-1]) == (low, high)
        np.testing.assert_allclose(values, np.linspace(low, high, n), rtol=1e-12, atol=1e-9)


def test_linspace_is_exact_in_decimals() -> None:
    assert Linspace(0.1, 0.5, 5).at(np.arange(5)).tolist() == [0.1, 0.2, 0.3, 0.4, 0.5]
    coarse, fine = Linspace(0.1, 0.9, 9).at(np.arange(9)), Linspace(0.1, 0.9, 81).at(np.arange(81))
    assert coarse.tolist() == fine[::10].tolist()
    assert Linspace(1.0, 2.0, 1).at(np.arange(1)).tolist() == [1.0]


def test_logspace_takes_values_and_hits_its_ends() -> None:
    assert Logspace(1.0, 1000.0, 4).at(np.arange(4)).tolist() == [1.0, 10.0, 100.0, 1000.0]
    values = Logspace(0.3, 0.7, 11).at(np.arange(11))
    assert (values[0], values[-1]) == (0.3, 0.7)
    np.testing.assert_allclose(values, np.geomspace(0.3, 0.7, 11), rtol=1e-11)


def test_rounding_to_36_bits() -> None:
    values = np.array([1.0, -1.0, 0.0, 1 + 2.0**-37, 1 + 2.0**-37 - 2.0**-52, -1 - 2.0**-37, 10 * (1 + 2.0**-52)])
    assert _rounded(values).tolist() == [1.0, -1.0, 0.0, 1 + 2.0**-36, 1.0, -1 - 2.0**-36, 10.0]
    for distribution in (Normal(0.0, 1.0), Loguniform(1e-9, 1.0), Truncnormal(0.0, 1.0, -3.0, 3.0)):
        bits = distribution.quantile(np.linspace(0.01, 0.99, 99)).view(np.int64)
        assert not (bits & 0xFFFF).any()


@pytest.mark.parametrize(
    ("kind", "numbers", "message"),
    [
        (Values, ((),), "found an empty list"),
        (Choice, ((),), "found an empty list"),
        (Linspace, (0.0, 1.0, 0), "found n = 0, expected a whole number of values"),
        (Linspace, (0.0, 1.0, 2.5), "found n = 2.5"),
        (Linspace, (0.0, 1.0, True), "found n = True"),
        (Logspace, (1.0, 2.0, -1), "found n = -1"),
        (Linspace, (1.0, 1.0, 3), "expected the lower end first and the ends to differ"),
        (Uniform, (2.0, 1.0), "found 2.0 before 1.0"),
        (Uniform, (0.0, np.inf), "expected two finite numbers"),
        (Uniform, (-1.7e308, 1.7e308), "expected two finite numbers"),
        (Loguniform, (0.0, 1.0), "found the lower end 0.0, expected more than 0"),
        (Logspace, (-1.0, 1.0, 3), "found the lower end -1.0, expected more than 0"),
        (Normal, (0.0, 0.0), "found sigma = 0.0, expected a finite number above 0"),
        (Truncnormal, (0.0, -1.0, 0.0, 1.0), "found sigma = -1.0"),
        (Truncnormal, (0.0, 1.0, 1.0, 0.0), "found 1.0 before 0.0"),
    ],
)
def test_what_is_refused(kind: Any, numbers: tuple[Any, ...], message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        kind(*numbers)
    assert message in str(caught.value)
