from fractions import Fraction

import pint
import pytest

from hpcsim.space import multiples
from hpcsim.space.multiples import is_multiple, ratio


@pytest.fixture(scope="module")
def registry() -> pint.UnitRegistry:
    return pint.UnitRegistry(non_int_type=Fraction)


@pytest.mark.parametrize("base", multiples._UNITS)
def test_every_multiple_means_what_it_means_to_pint(registry: pint.UnitRegistry, base: str) -> None:
    for prefix in multiples._PREFIXES:
        assert is_multiple(prefix + base)
        for to in (base, "m" + base):
            assert ratio(prefix + base, to) == registry.Quantity(Fraction(1), prefix + base).to(to).magnitude, (prefix + base, to)


def test_what_is_no_multiple_of_one_unit_is_left_to_pint() -> None:
    assert ratio("mV", "ms") is ratio("Pa", "pA") is ratio("min", "s") is ratio("", "") is ratio("", "s") is None
    assert not is_multiple("Pa") and not is_multiple("")
