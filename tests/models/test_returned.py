"""What a model or a stage returns wrongly is told with what was expected and what was found."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import hpcsim
from hpcsim import Coordinate, Layout, Output, Parameter, model
from hpcsim.collector.format.table import Table
from hpcsim.errors import SimulationError
from hpcsim.models.model import Context
from hpcsim.models.simulation import simulate
from hpcsim.scheduler.sweep import sweep
from hpcsim.scheduler.target import Target
from hpcsim.space.design import Design
from hpcsim.space.space import Space

OUTPUTS = (
    Output("y", (), "mV"),
    Output("v", ("time",), "mV"),
    Output("spikes", ("spike",), "ms", ragged=True),
    Output("who", ("spike",), "", "int64", ragged=True),
    Output("count", (), "", "int8"),
    Output("fired", (), "", "bool"),
)
GOOD = {"y": 1.0, "v": [1, 2, 3], "spikes": [0.5, 1.5], "who": [4.0, 7], "count": 3, "fired": True}


def given(value, batch=None, n=1):
    """What hpcsim makes of a value that a model of one parameter returns."""
    layout = Layout.of(OUTPUTS, {"time": Coordinate(np.arange(3.0), "ms")})
    own = model("own.given", parameters=[Parameter("x", 1.0)], outputs=OUTPUTS, batch=batch)(lambda points, context: value)
    points = Design(Space.from_tables(own.parameters, {}, {}), replicates=n, model=own.name).block(0, n)
    return simulate(own, layout, points, Context())


def test_what_fits_is_taken():
    found = given({**GOOD, "y": np.int32(2), "v": (Fraction(1, 2), 1, 2), "spikes": []} | {"who": np.empty(0)})
    assert found["y"].tolist() == [2.0] and found["v"].tolist() == [[0.5, 1.0, 2.0]] and found["v"].dtype == float
    assert found["count"].dtype == np.int8 and found["fired"].tolist() == [True] and len(found["who"][0]) == 0
    assert np.isnan(given({**GOOD, "y": np.nan})["y"]).all()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, r"own.given returned None, expected a dict of its outputs \(y, v, .*\); is its `return` missing\?"),
        ((1.0, 2.0), "returned a tuple of 2, expected a dict of its outputs"),
        (np.zeros(3), r"returned an array of shape \(3,\), expected a dict"),
        (3.5, "returned the number 3.5, expected a dict"),
        ("ok", r'returned text \("ok"\), expected a dict'),
        ((item for item in "ab"), "returned a generator, expected a dict .*; write `return`, not `yield`"),
        ({}, 'declares the output "y" but did not give it; it gave nothing'),
        ({**GOOD, "cout": 1}, 'gave the output "cout", which it does not declare; did you mean "count"'),
    ],
)
def test_what_is_no_mapping_of_the_outputs(value, message):
    with pytest.raises(SimulationError, match=message):
        given(value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("y", None, r'own.given: output "y" is None, expected numbers \(float64\)'),
        ("y", "1.5", r'output "y" holds text, such as text \("1.5"\); expected numbers'),
        ("y", 1 + 2j, 'output "y" holds complex numbers, such as .*; expected numbers'),
        ("y", {"a": 1}, 'output "y" is a dict of 1, expected numbers'),
        ("y", object(), 'output "y" is an object of type object, expected numbers'),
        ("y", [1.0], r'output "y" has shape \(1,\) a point; declared: \(one number\)'),
        ("y", np.datetime64("2020-01-01"), 'output "y" holds dates'),
        ("v", [1.0, None, 2.0], 'output "v" is None in a list, expected numbers'),
        ("v", [[1.0], [2.0, 3.0], []], 'output "v" is no array: .*expected numbers'),
        ("v", [1.0, 2.0], r'output "v" has shape \(2,\) a point; declared: \(time 3\)'),
        ("v", iter([1.0, 2.0, 3.0]), 'output "v" is a generator, expected numbers'),
        ("spikes", 3.0, 'output "spikes" is the number 3.0 in one point, expected a list of numbers'),
        ("spikes", None, 'output "spikes" is None, expected numbers'),
        ("spikes", np.zeros((2, 2)), r'output "spikes" is an array of shape \(2, 2\) in one point, expected a list of numbers'),
        ("who", [1.5], r'output "who" holds 1.5, which does not fit; expected whole numbers \(int64\)'),
        ("count", 300, r'output "count" holds 300, which does not fit; expected whole numbers \(int8\)'),
        ("count", np.nan, 'output "count" holds nan, which does not fit'),
        ("fired", 2, 'output "fired" holds 2, which does not fit; expected true or false'),
    ],
)
def test_what_is_not_as_declared(name, value, message):
    with pytest.raises(SimulationError, match=message):
        given({**GOOD, name: value})


@pytest.mark.parametrize(
    ("library", "make", "unit"),
    [
        ("brian2", lambda brian2: brian2.mV, "mV"),
        ("pint", lambda pint: pint.UnitRegistry().mV, "millivolt"),
        ("quantities", lambda quantities: quantities.mV, "mV"),
        ("astropy.units", lambda units: units.mV, "mV"),
    ],
)
def test_quantities_with_units_are_no_numbers(library, make, unit):
    """Those of Brian2 were taken in volts where the output is in mV."""
    unit_of = make(pytest.importorskip(library))
    quantity = np.array([1.0, 2.0, 3.0]) * unit_of
    expected = rf"a quantity with a unit \({unit}\), expected plain numbers in m[sV]; divide it"
    for name, value in {"y": quantity[0], "v": quantity, "spikes": quantity}.items():
        with pytest.raises(SimulationError, match=f'own.given: output "{name}" is {expected}'):
            given({**GOOD, name: value})
    with pytest.raises(SimulationError, match=f'output "v" is {expected}'):
        given({**GOOD, "v": list(quantity)})
    with pytest.raises(SimulationError, match=f'output "y" is {expected}'):
        given({**{key: [item] * 3 for key, item in GOOD.items()}, "y": quantity}, batch=8, n=3)
    assert given({**GOOD, "v": quantity / unit_of})["v"].tolist() == [[1.0, 2.0, 3.0]]


def test_labels_called_unit_are_no_units():
    """Objects of xarray and pandas give their labels as attributes."""
    pandas, xarray = pytest.importorskip("pandas"), pytest.importorskip("xarray")
    values = [1.0, 2.0, 3.0]
    arrays = [
        xarray.DataArray(values, dims="unit", coords={"unit": [4, 5, 6]}),
        xarray.DataArray(values, dims="time", attrs={"units": "mV"}, coords={"units": "mV"}),
        pandas.Series(values, index=["unit", "units", "dim"]),
        pandas.Series(values, index=["get_best_unit", "b", "c"]),
    ]
    for array in arrays:
        found = given({**GOOD, "v": array, "spikes": array})
        assert found["v"].tolist() == [values] and found["spikes"][0].tolist() == values
        items = {key: [item] * 2 for key, item in GOOD.items()}
        assert given({**items, "v": [array, array]}, batch=8, n=2)["v"].tolist() == [values] * 2


def test_signals_of_neo_have_units():
    neo = pytest.importorskip("neo")
    train = neo.SpikeTrain([1.0, 2.0], units="s", t_stop=3.0)
    with pytest.raises(SimulationError, match=r'output "spikes" is a quantity with a unit \(s\), expected plain numbers in ms'):
        given({**GOOD, "spikes": train})


def test_what_brian2_recorded(monkeypatch):
    brian2 = pytest.importorskip("brian2")
    monkeypatch.setitem(brian2.prefs, "codegen.target", "numpy")
    group = brian2.NeuronGroup(3, "x : volt\nn : 1", threshold="n > 0", reset="n = 0", method="euler")
    group.n = 1
    spikes = brian2.SpikeMonitor(group)
    brian2.Network(group, spikes).run(0.1 * brian2.ms)
    with pytest.raises(SimulationError, match=r'output "spikes" is a quantity with a unit \(s\), expected plain numbers in ms'):
        given({**GOOD, "spikes": spikes.t})
    with pytest.raises(SimulationError, match=r'output "v" is a quantity with a unit \(V\), expected plain numbers in mV'):
        given({**GOOD, "v": group.x})
    # numbers without a unit are fine
    found = given({**GOOD, "spikes": spikes.t / brian2.ms, "who": spikes.i, "v": group.n})
    assert [part.tolist() for part in (found["spikes"][0], found["who"][0], found["v"][0])] == [[0.0] * 3, [0, 1, 2], [0.0] * 3]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("v", [[1, 2, 3]] * 2, r'output "v" has shape \(2, 3\), expected 3 points along the first axis, then \(time 3\)'),
        ("y", [1.0, 2.0], r'output "y" has shape \(2,\), expected 3 points along the first axis, then \(one number\)'),
        ("spikes", [[1.0], [2.0]], 'output "spikes" has 2 entries for 3 points'),
        ("spikes", None, 'output "spikes" is None, expected a list with one array for each of 3 points'),
        ("spikes", (item for item in [[], [], []]), 'output "spikes" is a generator, expected a list with one array for each'),
    ],
)
def test_what_is_no_batch(name, value, message):
    batch = {key: [item] * 3 for key, item in GOOD.items()}
    with pytest.raises(SimulationError, match=message):
        given({**batch, name: value}, batch=8, n=3)


def test_a_wrong_return_fails_its_point_alone(tmp_path):
    """Ragged outputs of unequal lengths, too, which would stop the writer."""
    outputs = [Output("spikes", ("spike",), "ms", ragged=True), Output("who", ("spike",), "", "int64", ragged=True)]

    def simulated(point, context):
        return {"spikes": [1.0, 2.0], "who": [1] if point["x"] == 2 else [1, 2]}

    own = model("own.unequal", parameters=[Parameter("x", 1.0)], outputs=outputs)(simulated)
    study = hpcsim.Study("unequal", own, space={"x": [1, 2, 3]})
    directory = study.directory(tmp_path / "run")
    sweep(study, directory, Target("inline"))
    with Table(directory.results) as table:
        wrong = table.array("status") == 1
        assert table.array("x")[wrong].tolist() == [2.0] and len(wrong) == 3
        assert 'share the dimension "spike" and have 2 and 1 values in one point' in table.array("error")[wrong][0]
