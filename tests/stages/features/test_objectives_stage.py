"""The stage ``features.objectives``: what it declares and gives, and that what it keeps can be scored again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from absent import needed

import hpcsim
from hpcsim import Output, Parameter
from hpcsim.errors import ResultsError, StudyError
from hpcsim.evaluation import hay
from hpcsim.inference.rescore.rescore import rescore
from hpcsim.models.model import Model
from hpcsim.outputs import Coordinate, Layout
from hpcsim.scheduler.sweep import sweep
from hpcsim.scheduler.target import Target
from hpcsim.stages.features.objectives import objectives

STEP = 0.025
times = STEP * np.arange(24000)
OPTIONS: dict[str, Any] = {parameter.name: parameter.default for parameter in objectives.options}


def traces(point: Any, context: Any) -> dict[str, np.ndarray]:
    """A burst of `n` spikes, 10 ms apart, under BAC; one under bAP; BAC does not run with n = 0, and is cut short with 1."""
    del context
    soma = {"bAP": np.full(24000, -75.0), "BAC": np.full(24000, -75.0)}
    soma["bAP"][(times >= 297) & (times < 299)] = point["height"]
    n = int(point["n"])
    soma["BAC"][(times >= 298) & (times < 298 + 10 * n)] = -65
    for k in range(n):
        soma["BAC"][(times >= 298 + 10 * k) & (times < 299 + 10 * k)] = point["height"]
    trunk = {"bAP": np.full((2, 24000), -70.0), "BAC": np.full((1, 24000), -70.0)}
    trunk["bAP"][:, (times >= 298) & (times < 300)] = -30
    trunk["BAC"][:, (times >= 310) & (times < 340)] = 7
    if n == 1:
        soma["BAC"][times > 343] = trunk["BAC"][:, times > 343] = np.nan
    if not n:
        soma["BAC"][:] = trunk["BAC"][:] = np.nan
    return {f"{what}_{name}": own[name] for what, own in (("soma", soma), ("trunk", trunk)) for name in own}


def _coordinates(values: Any) -> dict[str, Coordinate]:
    del values
    return {
        **{f"time_{name}": Coordinate(times, "ms") for name in ("bAP", "BAC")},
        "site_bAP": Coordinate(np.array(["a", "b"])),
        "site_BAC": Coordinate(np.array(["a"])),
        "time_step1": Coordinate(times[:1], "ms"),
    }


MODEL = Model(
    "toy.bursts",
    "1",
    (Parameter("n", 3, bounds=(0, 9)), Parameter("height", 25.0, "mV")),
    (
        *(Output(f"soma_{name}", (f"time_{name}",), "mV") for name in ("bAP", "BAC")),
        *(Output(f"trunk_{name}", (f"site_{name}", f"time_{name}"), "mV") for name in ("bAP", "BAC")),
    ),
    traces,
    coordinates=_coordinates,
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Bursts of 0 to 3 spikes of 20 and 30 mV."""
    folder = tmp_path_factory.mktemp("runs") / "bursts"
    study = hpcsim.Study(
        "bursts",
        MODEL,
        space={"n": [0, 1, 2, 3], "height": [20.0, 30.0]},
        stages=[{"use": "features.objectives"}],
        outputs={"keep": list(declared().outputs)},
    )
    sweep(study, study.directory(folder), Target("inline"))
    with hpcsim.open(folder) as found:
        yield found


def declared(**changes: Any) -> Layout:
    return objectives.declare({**OPTIONS, **changes}, MODEL.layout({}))


def test_what_it_declares():
    """Columns for the protocols that run, and groups of these."""
    found = declared()
    assert len(found.coordinate("objective_sd")) == 11 and found.coordinate("protocol_fault").values.tolist() == ["bAP", "BAC"]
    groups = ["bAP_somatic_spike", "bAP", "BAC_somatic", "BAC_caSpike", "BAC_spikecount"]
    assert found.coordinate("objective_max").values.tolist() == groups
    assert declared(protocols=("BAC",)).coordinate("objective_sd").values.tolist()[0] == "BAC_ahpdepth"


def test_columns_of_a_sweep(results: Any):
    """Raw values, deviations, the largest of each group; and of a protocol that did not run 250."""
    theta, found = results.theta(), results.features(["objective_raw", "objective_sd", "objective_max", "objective_worst"])
    full = found[(theta.n == 3) & (theta.height == 30)].iloc[0]
    assert full["objective_raw.BAC_ISI"] == pytest.approx(10) and full["objective_raw.BAC_caSpike_width"] == pytest.approx(30)
    assert full["objective_sd.BAC_APheight"] == full["objective_sd.bAP_APheight"] == pytest.approx(1)
    assert full["objective_sd.BAC_caSpike_width"] == full["objective_max.BAC_caSpike"] == pytest.approx(7.43 / 1.27)
    assert full["objective_worst"] == full.filter(like="objective_max").max() == pytest.approx(7.43 / 1.27)
    two = found[(theta.n == 2) & (theta.height == 20)].iloc[0]
    assert two["objective_sd.BAC_caSpike_width"] == pytest.approx(0.43 / 1.27, abs=0.02)
    none = found[theta.n == 0].iloc[0]
    assert none["objective_max.BAC_somatic"] == 250 and none["objective_max.bAP"] < 20
    assert np.isnan(none["objective_raw.BAC_ISI"]) and none["objective_raw.bAP_spikecount"] == 1
    faults = results.features(["protocol_fault"])["protocol_fault.BAC"]
    assert set(faults[theta.n == 0]) == {hay.NOT_RUN} and set(faults[theta.n == 1]) == {hay.FEW_SPIKES + hay.CUT_SHORT}


def test_stored_evaluations_are_scored_again(results: Any, tmp_path: Path):
    """With the stage's own targets the same bits; with others what they say; cutoffs choose."""
    same = rescore(results, tmp_path / "same").tables["scores"]
    columns = results.features(["objective_sd"])
    for name in columns:
        np.testing.assert_array_equal(same.loc[columns.index, name.partition(".")[2]], columns[name])
    finding = rescore(
        results,
        tmp_path / "other",
        means={"BAC_caSpike_width": 30.0, "BAC_APheight": 30.0},
        sds={"BAC_APheight": 2.0},
        groups={"BAC_APheight": "heights", "bAP_APheight": "heights"},
        cutoffs={"bAP": 3.2, "BAC": 5.1},
    )
    other, theta = finding.tables["scores"], results.theta()
    chosen = other[other.accepted].index
    assert finding.metrics["accepted"] == len(chosen) == 2 and set(theta.loc[chosen].n) == {3}
    low = other.loc[theta[(theta.n == 3) & (theta.height == 20)].index[0]]
    assert low["BAC_APheight"] == low["max.heights"] == pytest.approx(5) and low["BAC_caSpike_width"] == pytest.approx(
        0, abs=0.02
    )
    assert list(other["worst"]) == sorted(other["worst"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"means": {"BAC_ISIs": 1.0}}, r'means\.BAC_ISIs: there is no such objective; did you mean "BAC_ISI"'),
        ({"sds": {"BAC_ISI": 0.0}}, r"BAC_ISI\.sd: found 0, expected a number above 0"),
        ({"means": {"BAC_ISI": "x"}}, r"means\.BAC_ISI: found 'x', expected a number"),
        ({"cutoffs": {"bAP": 3.2}}, r"cutoffs\.BAC: there is none"),
        ({"groups": {"BAC_ISI": 3}}, r"groups\.BAC_ISI: found 3, expected a name"),
    ],
)
def test_targets_that_are_none(results: Any, tmp_path: Path, options: dict[str, Any], message: str):
    with pytest.raises(StudyError, match=message):
        rescore(results, tmp_path / "none", **options)


def test_studies_that_do_not_fit():
    """A protocol that does not run, none at all, too few places, and a table of the user without times."""
    with pytest.raises(ResultsError, match=r'"step1" does not run in this study; add it to its parameter protocols'):
        declared(protocols=("step1",))
    with pytest.raises(ResultsError, match=r'no objective is about "bAPs"; did you mean "bAP"'):
        declared(protocols=("bAPs",))
    bare = Layout.of([Output("soma_x", ("time_bAP",), "mV")], {"time_bAP": Coordinate(times, "ms")})
    with pytest.raises(ResultsError, match=r"none of them runs in this study; it has x: expected outputs such as soma_bAP"):
        objectives.declare(OPTIONS, bare)
    alone = Layout.of([Output("soma_bAP", ("time_bAP",), "mV")], {"time_bAP": Coordinate(times, "ms")})
    with pytest.raises(ResultsError, match=r"objectives of bAP need 2 places on the apical trunk, and trunk_bAP has 0"):
        objectives.declare(OPTIONS, alone)


def test_a_table_of_the_user(tmp_path: Path):
    """BluePyOpt's JSON: features by the names of eFEL; its checksum is needed, and told."""
    needed("efel")
    path = tmp_path / "features.json"
    path.write_text(json.dumps({"BAC": {"soma.v": {"Spikecount": [3, 0.5]}, "dend1.v": {"maximum_voltage": [5, 1]}}}))
    with pytest.raises(ResultsError, match=r'set checksum = "sha256:[0-9a-f]{64}"'):
        declared(table=str(path))
    own = {"table": str(path), "checksum": f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"}
    with pytest.raises(ResultsError, match=r"features\.json does not say when stimuli are; give onset and duration"):
        declared(**own)
    options = {**OPTIONS, **own, "onset": 295.0, "duration": 45.0}
    layout = MODEL.layout({}).union(objectives.declare(options, MODEL.layout({})))
    batch = {name: value[None] for name, value in traces({"n": 2, "height": 25.0}, None).items()}
    found = objectives.apply(batch, options, hpcsim.Context(layout=layout))
    np.testing.assert_allclose(found["objective_sd"], [[2, 2]])
    np.testing.assert_allclose(found["objective_max"], [[2]])
    path.write_text(path.read_text() + " ")
    with pytest.raises(ResultsError, match="is another file"):
        objectives.declare(options, MODEL.layout({}))
