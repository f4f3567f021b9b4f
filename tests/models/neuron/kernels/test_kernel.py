"""Kernels against published numbers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from hpcsim.errors import SimulationError
from hpcsim.models.model import Context
from hpcsim.models.neuron.hagen.membranes import GATES, MECHANISMS
from hpcsim.models.neuron.kernels.kernel import kernel
from hpcsim.models.neuron.nmodl.mechanisms import neuron_interpreter
from hpcsim.outputs import Coordinate
from hpcsim.space.points import Point

CONTACTS = (500.0, 200.0, 0.0)


def _kernels(cache: Path, **changes: object) -> dict[str, np.ndarray]:
    values = {**kernel.defaults(), "contacts": CONTACTS, **changes}
    assert kernel.check(values) == ""
    layout = kernel.layout(values)
    found = kernel.simulate(Point(values, "0" * 32, 0, 0), Context(cache=cache))
    for name, array in found.items():
        assert array.shape == layout.shape(name)
    return dict(found)


def _lags(**changes: object) -> np.ndarray:
    return kernel.layout({**kernel.defaults(), **changes}).coordinates["lag"].values


@pytest.fixture(scope="module")
def default_kernels(neuron_cache: Path) -> dict[str, np.ndarray]:
    """Kernels at all defaults."""
    return _kernels(neuron_cache)


def test_reference_table(default_kernels: dict[str, np.ndarray]):
    """Linear Ih, n_ext 465/160: minimum (nA um), lag of the extremum (ms) and sum of each pathway post:pre."""
    moments = dict(zip(["E:E", "E:I", "I:E", "I:I"], default_kernels["dipole_kernel"], strict=True))
    expected = {
        "E:E": (-390.153, 5.44, -38347.85),
        "I:E": (-28.720, 2.81, -1736.57),
        "E:I": (-9920.384, 3.31, -1260388.0),
        "I:I": (-139.314, 2.38, -11421.11),
    }
    for pathway, (minimum, lag, total) in expected.items():
        moment = moments[pathway]
        assert moment.min() == pytest.approx(minimum, rel=1e-4)
        assert _lags()[np.abs(moment).argmax()] == pytest.approx(lag, abs=0.01)
        assert moment.sum() == pytest.approx(total, rel=1e-4)
    assert moments["E:E"].max() == pytest.approx(12.933, rel=1e-4)


def test_published_frozen_kernels(neuron_cache: Path):
    """Hagen et al. (2022), frozen, 50 ms: peak moment (nA um), its sum times dt, peak potential (mV) and its lag."""
    found = _kernels(neuron_cache, **kernel.presets["hagen2022_lif"], lag_max=50.0)
    expected = [
        (-394.33, -2906.3, 3.442e-3, 0, 2.750),
        (-9934.7, -71345, 3.354e-2, 2, 2.875),
        (-27.60, -107.4, 1.695e-4, 1, 2.812),
        (-139.28, -653.1, 8.055e-4, 1, 2.375),
    ]
    for moment, potential, (peak, integral, height, contact, lag) in zip(
        found["dipole_kernel"], found["lfp_kernel"], expected, strict=True
    ):
        assert moment.min() == pytest.approx(peak, rel=1e-3)
        assert moment.sum() * 2**-4 == pytest.approx(integral, rel=1e-3)
        where = np.unravel_index(np.abs(potential).argmax(), potential.shape)
        assert np.abs(potential).max() == pytest.approx(height, rel=1e-3)
        assert (where[0], _lags(lag_max=50.0)[where[1]]) == (contact, pytest.approx(lag, abs=0.01))


def test_membranes_differ_where_gates_follow(neuron_cache: Path, default_kernels: dict[str, np.ndarray]):
    """Hagen et al. (2022): linear Ih and frozen gates are 0.6 to 2.9 % of the peak apart; sodium adds to what follows."""
    frozen, linear = (_kernels(neuron_cache, membrane=membrane) for membrane in ("frozen", "linear"))
    # of all contacts and the moment, at the peak
    for found, low, high in ((frozen, 1e-4, 0.03), (linear, 1e-3, 0.05)):
        for one, other in zip(default_kernels["dipole_kernel"], found["dipole_kernel"], strict=True):
            assert low < np.abs(one - other).max() / np.abs(one).max() < high


def test_csd_has_the_moment_of_the_dipole(neuron_cache: Path):
    """Discs that cover the population hold no net source, and their first moment is the dipole moment."""
    contacts = tuple(float(z) for z in range(1500, -650, -50))
    found = _kernels(neuron_cache, contacts=contacts, csd_thickness=50.0)
    volume = np.pi * 150.0**2 * 50.0
    current = found["csd_kernel"] * volume
    assert np.abs(current).max() > 0.1
    for one, moment in zip(current, found["dipole_kernel"], strict=True):
        assert np.abs(one.sum(axis=0)).max() < 1e-6 * np.abs(one).max()
        # a disc knows its sources to half of its thickness
        np.testing.assert_allclose(np.array(contacts) @ one, moment, rtol=0, atol=0.02 * np.abs(moment).max())


def test_kernels_are_causal(default_kernels: dict[str, np.ndarray]):
    """Nothing happens before the spike."""
    before = _lags() <= 0
    assert not default_kernels["dipole_kernel"][:, before].any()
    assert not default_kernels["lfp_kernel"][:, :, before].any()
    assert not default_kernels["csd_kernel"][:, :, before].any()


def test_late_spike_gives_the_same_bits(neuron_cache: Path, default_kernels: dict[str, np.ndarray]):
    """The membrane is at rest from the start, so that the spike need not be late."""
    later = _kernels(neuron_cache, t_X=400.0, contacts=(0.0,))
    np.testing.assert_array_equal(later["dipole_kernel"], default_kernels["dipole_kernel"])


class Network:
    """What a point asks of the results of a network."""

    path = Path("runs/base/results.h5")
    attrs: ClassVar[dict[str, str]] = {"model": "neuron.ball_and_sticks_network"}
    good = np.array([True, True, True])
    columns: ClassVar[dict[str, np.ndarray]] = {
        "weight_scaling": np.array([1.0, 1.05, 1.05]),
        "tstop": np.full(3, 500.0),
        "replicate": np.array([0, 0, 1]),
        "seed": np.array([2**63 + 1, 2**63 + 3, 2**63 + 5], np.uint64),
        "V_rest": np.array([[-71.0, -68.0], [-70.0, -69.0], [-72.0, -66.0]]),
        "rate": np.array([[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]),
    }

    def names(self, role: str) -> list[str]:
        return {"parameter": ["weight_scaling", "tstop"], "output": ["V_rest", "rate"]}[role]

    def array(self, name: str, rows: slice | None = None) -> np.ndarray:
        return self.columns[name][rows or slice(None)]

    def coordinate(self, dim: str) -> Coordinate:
        assert dim == "population"
        # not in the order of the kernels
        return Coordinate(np.array(["I", "E"]))


def test_state_is_that_of_the_network_study(neuron_cache: Path):
    """Rates and potentials of the row with equal parameters and replicate, by name, then scaled and shifted."""
    changes = {"contacts": (0.0,), "weight_scaling": 1.05, "network": "study:base", "nu_scaling": 2.0, "V_rest_offset": -1.5}
    point = Point({**kernel.defaults(), **changes}, "0" * 32, 1, 0)
    found = kernel.simulate(point, Context(cache=neuron_cache, inputs={"base": Network()}))
    np.testing.assert_array_equal(found["V_rest"], [-67.5, -73.5])
    np.testing.assert_array_equal(found["nu"], [12.0, 6.0])
    assert found["network_seed"] == 2**63 + 5
    own = {"nu_E": 12.0, "nu_I": 6.0, "V_rest_E": -67.5, "V_rest_I": -73.5}
    same = _kernels(neuron_cache, contacts=(0.0,), weight_scaling=1.05, **own)
    np.testing.assert_array_equal(same["lfp_kernel"], found["lfp_kernel"])
    assert same["network_seed"] == 0
    missing = Point({**point.values, "weight_scaling": 1.1}, "0" * 32, 0, 0)
    with pytest.raises(SimulationError, match=r"weight_scaling is 1.1 here and 1.0, 1.05 there"):
        kernel.simulate(missing, Context(cache=neuron_cache, inputs={"base": Network()}))


def test_synapses_that_can_lie_nowhere_are_refused(neuron_cache: Path):
    """They would be divided by their number."""
    for far, lost in (("EI", "EE, EI"), ("IE", "IE, II")):
        with pytest.raises(SimulationError, match=rf"no segment lies where .*one of {lost}\); widen its position_std"):
            _kernels(neuron_cache, contacts=(0.0,), **{f"position_mean_{far}": (9000.0,)})
    with pytest.raises(SimulationError, match=r"one of EI\); widen its position_std, such as position_std_EI"):
        _kernels(neuron_cache, contacts=(0.0,), g_eff=False, position_mean_EI=(9000.0,))


def test_everything_is_cleaned(default_kernels: dict[str, np.ndarray]):
    """No section stays."""
    assert not list(neuron_interpreter().allsec())


def test_sections_of_somebody_else_are_refused(neuron_cache: Path):
    """The library would silently delete them."""
    stray = neuron_interpreter().Section(name="stray")
    with pytest.raises(SimulationError, match="stray"):
        kernel.simulate(Point(kernel.defaults(), "0" * 32, 0, 0), Context(cache=neuron_cache))
    assert [section.name() for section in neuron_interpreter().allsec()] == ["stray"]
    del stray


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dt": 0.05}, "power of two"),
        ({"lag_max": 100.01}, "multiples of dt"),
        ({"t_X": 50.0}, "must not be less than lag_max"),
        ({"tau_rise_EI": 9.0}, "tau_rise_EI must be less"),
        ({"position_mean_II": (0.0, 1.0)}, "position_mean_II, .* equal lengths"),
        ({"sections_IE": ("axon",)}, "allowed are soma, dend, apic"),
    ],
)
def test_values_that_make_no_sense_together(change: dict[str, object], message: str):
    """Each gets a sentence."""
    assert re.search(message, kernel.check({**kernel.defaults(), **change}))


def test_declaration():
    """Defaults pass their own checks; the files of the mechanisms are part of the identity."""
    for parameter in kernel.parameters:
        assert parameter.resolve(parameter.default) == parameter.default
    assert set(kernel.identity()) == {*(f"{name}.mod" for name in MECHANISMS), *(f"quasi_active_{n}" for n in GATES)}
    assert kernel.layout({}).shape("lfp_kernel") == (4, 13, 3201)
