"""Prediction of a network's signals: which network, which times, which kernels; and the published study at its smallest."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hpcsim
from hpcsim.collector.format.table import Table
from hpcsim.errors import ResultsError, SimulationError
from hpcsim.models.model import Context
from hpcsim.outputs import Coordinate, Layout, Output
from hpcsim.scheduler.sweep import sweep
from hpcsim.scheduler.target import Target
from hpcsim.stages.signals.predict import predict

DT = 2.0**-4
POPULATIONS, PATHWAYS = ("E", "I"), ("E:E", "E:I", "I:E", "I:I")
N_LAG, N_TIME, BEGIN = 21, 400, 100.0
SEEDS = np.array([2**63 + 1, 2**63 + 3], np.uint64)
CONTACTS = Coordinate(np.array([100.0, 0.0]), "um")
#: A measure by nu_scaling and V_rest_offset.
Grid = dict[tuple[float, float], float]


class FakeTable:
    """Results of a network with two points."""

    path = Path("runs/base/results.h5")

    def __init__(self) -> None:
        random = np.random.default_rng(1)
        self.columns = {
            "seed": SEEDS,
            "spike_counts": random.poisson(1.0, (2, 2, N_TIME)),
            "population_dipole": random.normal(size=(2, 2, N_TIME)),
            "population_lfp": random.normal(size=(2, 2, 2, N_TIME)),
            "population_csd": random.normal(size=(2, 2, 2, N_TIME)),
        }
        time = Coordinate(BEGIN + DT * np.arange(N_TIME), "ms")
        output = Output("spike_counts", ("population", "time_bin"), dtype="int32")
        self.layout = Layout.of([output], {"population": Coordinate(np.array(POPULATIONS)), "time_bin": time})

    def array(self, name: str, rows: slice | None = None) -> np.ndarray:
        return self.columns[name][rows or slice(None)]


def _layout(dt: float = DT, seed: bool = True) -> Layout:
    outputs = [
        Output("dipole_kernel", ("pathway", "lag"), "nA um"),
        Output("lfp_kernel", ("pathway", "contact", "lag"), "mV"),
        Output("csd_kernel", ("pathway", "contact", "lag"), "nA/um^3"),
    ]
    if seed:
        outputs.append(Output("network_seed", dtype="uint64"))
    lag = Coordinate(np.arange(-(N_LAG // 2), N_LAG // 2 + 1) * dt, "ms")
    return Layout.of(outputs, {"pathway": Coordinate(np.array(PATHWAYS)), "lag": lag, "contact": CONTACTS})


def _options(**changes: Any) -> dict[str, Any]:
    defaults = {option.name: option.default for option in predict.options}
    return defaults | {"network": "study:base", "start": 105.0, "stop": 120.0} | changes


def _kernels(n: int = 1) -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    return {
        "dipole_kernel": random.normal(size=(n, 4, N_LAG)),
        "lfp_kernel": random.normal(size=(n, 4, 2, N_LAG)),
        "csd_kernel": random.normal(size=(n, 4, 2, N_LAG)),
    }


def _run(data: dict[str, np.ndarray], layout: Layout | None = None, **changes: Any) -> dict[str, np.ndarray]:
    options, recorded = _options(**changes), layout or _layout()
    declared = predict.declare(options, recorded)
    context = Context(inputs={"base": FakeTable()}, layout=recorded.union(declared))
    found = predict.apply(data, options, context)
    assert set(found) == set(declared.outputs)
    for name, values in found.items():
        assert np.shape(values)[1:] == declared.shape(name)
    return {name: np.asarray(values) for name, values in found.items()}


def test_predictions_are_sums_of_convolutions_with_the_network_of_the_seed():
    """Every signal and contact: the counts of the presynaptic population with the kernel post:pre, between start and stop."""
    data = {**_kernels(), "network_seed": SEEDS[1:]}
    found, table = _run(data), FakeTable()
    counts, window = table.columns["spike_counts"][1].astype(float), slice(80, 320)
    kernels = data["dipole_kernel"][0]
    expected = sum(np.convolve(counts["EI".index(name[-1])], kernels[i], "same") for i, name in enumerate(PATHWAYS))
    np.testing.assert_allclose(found["predicted_dipole"][0], expected[window], atol=1e-10)
    for signal in ("lfp", "csd"):
        for contact in range(2):
            kernels = data[f"{signal}_kernel"][0, :, contact]
            expected = sum(np.convolve(counts["EI".index(name[-1])], kernels[i], "same") for i, name in enumerate(PATHWAYS))
            np.testing.assert_allclose(found[f"predicted_{signal}"][0, contact], expected[window], atol=1e-10)
        truth = table.columns[f"population_{signal}"][1].sum(axis=0)
        np.testing.assert_array_equal(found[f"network_{signal}"][0], truth[:, window])
    time = predict.declare(_options(), _layout()).coordinates["time_predicted"]
    np.testing.assert_array_equal(time.values, (BEGIN + DT * np.arange(N_TIME))[window])


def test_each_point_has_its_own_network_and_no_company():
    """Bit for bit what it is alone; seeds of 64 bits differ in their last one."""
    kernels, seeds = _kernels(3), SEEDS[[1, 0, 1]]
    together = _run({**kernels, "network_seed": seeds})
    for i in range(3):
        alone = _run({name: values[i : i + 1] for name, values in kernels.items()} | {"network_seed": seeds[i : i + 1]})
        for name, values in alone.items():
            np.testing.assert_array_equal(values[0], together[name][i])
    assert not np.array_equal(together["network_lfp"][0], together["network_lfp"][1])


def test_only_the_signals_that_are_asked_for():
    """The others are not declared."""
    assert set(_run({**_kernels(), "network_seed": SEEDS[:1]}, signals=("csd",))) == {"predicted_csd", "network_csd"}


@pytest.mark.parametrize(
    ("layout", "changes", "message"),
    [
        (_layout(), {"signals": ("eeg",)}, "signals are eeg; expected some of dipole, lfp, csd"),
        (_layout(), {"stop": 105.0}, "start is 105 ms and stop 105 ms; expected a later stop"),
        (_layout(seed=False), {}, "there is no network_seed; expected the outputs of neuron.kernel"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_runs(layout: Layout, changes: dict[str, Any], message: str):
    """When the study is checked."""
    with pytest.raises(ResultsError, match=message):
        predict.declare(_options(**changes), layout)


@pytest.mark.parametrize(
    ("seed", "layout", "changes", "message"),
    [
        (SEEDS[0], _layout(), {"stop": 126.0}, "study:base was recorded from 100 to 125 ms: give times within"),
        (SEEDS[0], _layout(), {"start": 99.0}, "study:base was recorded from 100 to 125 ms"),
        (SEEDS[0], _layout(dt=DT / 2), {}, "kernels of this study have steps of 0.03125 ms and the counts of 0.0625 ms"),
        (np.uint64(0), _layout(), {}, 'seed 0, which study:base has not; set the parameter network of the model to "study:base"'),
    ],
)
def test_a_network_that_does_not_fit_is_refused(seed: np.uint64, layout: Layout, changes: dict[str, Any], message: str):
    """Each with what was found."""
    with pytest.raises(ResultsError, match=message):
        _run({**_kernels(), "network_seed": np.array([seed])}, layout, **changes)


def test_a_missing_study_is_named():
    """With those that there are."""
    with pytest.raises(SimulationError, match='did you mean "base"'):
        _run({**_kernels(), "network_seed": SEEDS[:1]}, network="study:basis")


def _grid(scale: str, cache: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> dict[str, Grid]:
    """Raw measures of the published study, by its two axes: of the dipole, and medians over the contacts of LFP and CSD."""
    monkeypatch.setenv("HPCSIM_CACHE", str(cache))
    study = hpcsim.Study.load("hagen2022_kernels", scale)
    tables = tomllib.loads(study.to_toml())
    study = hpcsim.Study.of_tables({**tables, **changes}, study.source, study.folder)
    directory = study.directory()
    sweep(study, directory, Target("inline"))
    with Table(directory.results) as table:
        assert table.good.all()
        points = list(zip(*(table.array(name).tolist() for name in ("nu_scaling", "V_rest_offset")), strict=True))
        found = {}
        for measure in ("r2", "std_ratio"):
            for signal in ("dipole", "lfp", "csd"):
                raw = table.array(f"predicted_{signal}_{measure}")[:, 0].reshape(len(points), -1)
                found[f"{signal}_{measure}"] = dict(zip(points, np.median(raw, axis=1).tolist(), strict=True))
    return found


@pytest.mark.slow
def test_published_study_at_its_smallest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """40 neurons for 0.3 s: with the network's own state the amplitude is right; without its rates it is far too large."""
    found = _grid("ci", tmp_path / "cache", monkeypatch)
    r2, ratio = found["dipole_r2"], found["dipole_std_ratio"]
    assert len(r2) == 9 and r2[1, 0] > 0.5 and found["lfp_r2"][1, 0] > 0.4 and found["csd_r2"][1, 0] > 0.2
    # so few neurons are better predicted by leakier ones, which no larger network is
    assert r2[1, 0] > max(r2.values()) - 0.25 and 0.75 < ratio[1, 0] < 1.3
    assert r2[0, 0] < r2[1, 0] - 0.1 and ratio[0, 0] > 1.4 * ratio[1, 0]


@pytest.mark.slow
def test_published_study_at_a_small_size(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """144 neurons: the network's own state predicts best, or nearly, and with it alone the amplitude is right."""
    space = {"nu_scaling": [0.0, 1.0, 2.0], "V_rest_offset": [-10.0, -5.0, 0.0, 5.0, 10.0]}
    found = _grid("small", tmp_path / "cache", monkeypatch, space=space)
    r2, ratio = found["dipole_r2"], found["dipole_std_ratio"]
    assert r2[1, 0] > 0.8 and r2[1, 0] > max(r2.values()) - 0.05 and found["lfp_r2"][1, 0] > 0.75
    assert 0.9 < ratio[1, 0] < 1.3 and ratio[0, 0] > 2
    assert r2[0, 0] < r2[1, 0] - 0.1
