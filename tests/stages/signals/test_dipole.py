"""The dipole of a network: which kernel belongs to which spikes, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy.signal import decimate

from hpcsim.errors import ResultsError, SimulationError
from hpcsim.models.model import Context
from hpcsim.outputs import Coordinate, Layout, Output
from hpcsim.stages.signals.dipole import dipole

DT = 2.0**-4
PATHWAYS = ("E:E", "E:I", "I:E", "I:I")
N_LAG, N_TIME = 21, 400


@dataclass
class FakeTable:
    """What the stage uses of another study's results."""

    kernels: np.ndarray
    pathways: tuple[str, ...] = PATHWAYS
    dt: float = DT
    unit: str = "ms"

    def array(self, name: str) -> np.ndarray:
        assert name == "dipole_kernel"
        return self.kernels

    def coordinate(self, dim: str) -> Coordinate:
        if dim == "pathway":
            return Coordinate(np.array(self.pathways))
        half = self.kernels.shape[-1] // 2
        return Coordinate(np.arange(-half, self.kernels.shape[-1] - half) * self.dt, self.unit)


def _kernels() -> np.ndarray:
    """Causal kernels that are all different, shape (1, 4, N_LAG)."""
    kernels = np.random.default_rng(3).normal(size=(1, 4, N_LAG))
    kernels[..., : N_LAG // 2 + 1] = 0
    return kernels


def _layout(n_time: int = N_TIME, dt: float = DT, populations: tuple[str, ...] = ("E", "I"), unit: str = "ms") -> Layout:
    return Layout.of(
        [Output("spike_counts", ("population", "time_bin"), dtype="int32")],
        {
            "population": Coordinate(np.array(populations)),
            "time_bin": Coordinate(2000 + np.arange(n_time) * dt, unit),
        },
    )


def _options(**changes: Any) -> dict[str, Any]:
    return {option.name: option.default for option in dipole.options} | {"kernel": "kernels", "decimate": 1} | changes


def _run(
    counts: np.ndarray, table: FakeTable | None = None, recorded: Layout | None = None, **changes: Any
) -> dict[str, np.ndarray]:
    options, recorded = _options(**changes), recorded or _layout(counts.shape[-1])
    layout = dipole.declare(options, recorded)
    context = Context(inputs={"kernels": table or FakeTable(_kernels())}, layout=recorded.union(layout))
    found = dipole.apply({"spike_counts": counts}, options, context)
    for name, values in found.items():
        assert np.shape(values)[1:] == layout.shape(name)
    return {name: np.asarray(values) for name, values in found.items()}


@pytest.mark.parametrize(("population", "pathways"), [(0, ("E:E", "I:E")), (1, ("E:I", "I:I"))])
def test_one_spike_gives_the_kernels_of_its_own_population(population: int, pathways: tuple[str, str]):
    """Kernels are named post:pre: a spike of I gives E:I + I:I, and nothing of E."""
    counts = np.zeros((1, 2, N_TIME), np.int32)
    counts[0, population, 100] = 1
    expected = np.zeros(N_TIME)
    expected[100 - N_LAG // 2 : 101 + N_LAG // 2] = sum(_kernels()[0, PATHWAYS.index(name)] for name in pathways)
    np.testing.assert_allclose(_run(counts)["dipole"][0], expected, atol=1e-12)


def test_order_of_the_pathways_does_not_matter():
    """Kernels are found by name."""
    counts = np.random.default_rng(0).poisson(1.0, (1, 2, N_TIME))
    order = [2, 0, 3, 1]
    shuffled = FakeTable(_kernels()[:, order], tuple(PATHWAYS[i] for i in order))
    np.testing.assert_array_equal(_run(counts, shuffled)["dipole"], _run(counts)["dipole"])


def test_populations_and_time_step_are_those_of_the_counts():
    """No option says them: I before E, and steps of 0.1 ms, with kernels of that step."""
    counts = np.random.default_rng(0).poisson(1.0, (1, 2, N_TIME))
    turned = _layout(populations=("I", "E"))
    np.testing.assert_allclose(_run(counts[:, ::-1], recorded=turned)["dipole"], _run(counts)["dipole"], atol=1e-11)
    found = _run(counts, FakeTable(_kernels(), dt=0.1), _layout(dt=0.1))
    np.testing.assert_array_equal(found["dipole"], _run(counts)["dipole"])
    pathway = dipole.declare(_options(components=True), _layout(populations=("S", "E"))).coordinates["pathway"]
    assert tuple(pathway.values) == ("S:S", "S:E", "E:S", "E:E")


def test_direct_convolution_is_the_reference():
    """The sum over all pairs of numpy's convolution."""
    counts = np.random.default_rng(0).poisson(2.0, (2, 2, N_TIME))
    kernels = dict(zip(PATHWAYS, _kernels()[0], strict=True))
    for point, moment in zip(counts, _run(counts)["dipole"], strict=True):
        expected = sum(np.convolve(point["EI".index(pre)], kernels[f"{post}:{pre}"], "same") for post in "EI" for pre in "EI")
        np.testing.assert_allclose(moment, expected, atol=1e-11)


def test_decimation_is_zero_phase_and_keeps_every_tenth_time():
    """SciPy's decimate is the reference; times are those of the samples that stay."""
    counts = np.random.default_rng(0).poisson(2.0, (1, 2, N_TIME))
    full, tenth = _run(counts)["dipole"][0], _run(counts, decimate=10)["dipole"][0]
    np.testing.assert_allclose(tenth, decimate(full, 10, zero_phase=True), atol=1e-9)
    time = dipole.declare(_options(decimate=10), _layout()).coordinates["time_dipole"]
    np.testing.assert_array_equal(time.values, 2000 + np.arange(0, N_TIME, 10) * DT)
    assert time.unit == "ms"


def test_components_add_up():
    """Contributions of the pathways, in the order of their coordinate."""
    counts = np.random.default_rng(0).poisson(2.0, (2, 2, N_TIME))
    found = _run(counts, components=True, decimate=10)
    np.testing.assert_allclose(found["dipole_components"].sum(axis=1), _run(counts, decimate=10)["dipole"], atol=1e-9)
    pathway = dipole.declare(_options(components=True), _layout()).coordinates["pathway"]
    assert tuple(pathway.values) == PATHWAYS
    only_I = counts * np.array([0, 1])[:, None]
    parts = _run(only_I, components=True)["dipole_components"]
    assert [bool(np.abs(parts[:, i]).max() > 1e-9) for i in range(4)] == [False, True, False, True]


def test_a_point_does_not_depend_on_its_company():
    """Bit for bit."""
    counts = np.random.default_rng(0).poisson(2.0, (5, 2, N_TIME))
    together = _run(counts, decimate=10)["dipole"]
    for i in range(5):
        np.testing.assert_array_equal(_run(counts[i : i + 1], decimate=10)["dipole"][0], together[i])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (FakeTable(np.repeat(_kernels(), 2, axis=0)), "expected one point"),
        (FakeTable(_kernels()[:, :3], PATHWAYS[:3]), "no kernel for I:I"),
        (FakeTable(_kernels(), dt=0.1), "steps of 0.1 ms and the counts of 0.0625 ms"),
        (FakeTable(_kernels(), dt=-DT), "steps from -0.0625 to -0.0625 ms; expected equal ones"),
        (FakeTable(_kernels(), unit="s"), 'kernels of the study "kernels" are in "s"; expected "ms"'),
        (FakeTable(_kernels() * np.nan), "not finite"),
        (FakeTable(_kernels()[..., 1:]), "as many before as after 0"),
    ],
)
def test_kernels_that_do_not_fit_are_refused(table: FakeTable, message: str):
    """Each with what was found."""
    with pytest.raises(ResultsError, match=message):
        _run(np.zeros((1, 2, N_TIME)), table)


def test_third_population_needs_its_own_kernels():
    """They are named, with the populations of the counts."""
    with pytest.raises(ResultsError, match=r"no kernel for E:S, I:S, S:E, S:I, S:S .* populations of the counts are E, I, S"):
        _run(np.zeros((1, 3, N_TIME)), recorded=_layout(populations=("E", "I", "S")))


def test_missing_study_is_named():
    """The message says which there are."""
    with pytest.raises(SimulationError, match='did you mean "kernels"'):
        _run(np.zeros((1, 2, N_TIME)), kernel="kernel")


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (_layout(unit="s"), 'times of spike_counts are in "s"; expected "ms"'),
        (_layout(n_time=1), "has 1 times; at least two"),
        (_layout(n_time=20), "too few to decimate"),
        (Layout.of([Output("spike_counts", ("n",), ragged=True)]), "expected a population and a time"),
    ],
)
def test_counts_that_do_not_fit_are_refused_before_anything_runs(layout: Layout, message: str):
    """When the study is checked."""
    with pytest.raises(ResultsError, match=message):
        dipole.declare(_options(decimate=10), layout)
