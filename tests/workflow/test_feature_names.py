"""Features have the same names wherever a user writes one, and a wrong one is told with the nearest."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import hpcsim
from hpcsim import Coordinate, Output, Parameter, plot
from hpcsim.errors import HpcsimError
from hpcsim.inference.observations import feature_values, read_observations
from hpcsim.inference.search.objectives import aims, columns_of, named
from hpcsim.outputs import Layout
from hpcsim.recordings.export.selection import select
from hpcsim.samplers.objectives import Objective
from hpcsim.workflow.analysis import check_inference

GRID = {"g": [1.0, 2.0, 3.0, 4.0, 5.0], "h": [1.0, 2.0, 3.0, 4.0]}
OUTPUTS = [
    Output("rate", ("population",), "Hz"),
    Output("cv"),
    Output("slope", (), "uS/cm**2"),
    Output("spikes", ("spike",), "ms", ragged=True),
]


@hpcsim.model(
    "named.network",
    parameters=[Parameter("g", 1.0), Parameter("h", 1.0)],
    outputs=OUTPUTS,
    coordinates=lambda values: {"population": Coordinate(np.array(["E", "I"]))},
)
def network(point, context):
    """Rates of two populations."""
    g, h = point["g"], point["h"]
    return {"rate": [g, 10 * h], "cv": g * h, "slope": h, "spikes": np.arange(3.0)}


def study(**more) -> hpcsim.Study:
    return hpcsim.Study("named", network, space=GRID, **more)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Twenty points with rates g and 10 h of the populations E and I."""
    with study().run("inline", tmp_path_factory.mktemp("named") / "run") as made:
        yield made


def observed(results, name):
    """Values of a table of observations whose column has this name, or of one made in Python."""
    table = pd.DataFrame({"name": ["a"], name: [2.0]})
    file = results.path.with_name("observed.csv")
    table.to_csv(file, index=False)
    units = dict(results.units)
    wanted = ["rate.E"]
    read = read_observations(file, wanted, units)
    assert np.array_equal(read.to_numpy(), feature_values(table.set_index("name"), wanted, units=units))
    return read


def torch_of(results, name):
    pytest.importorskip("torch")
    return pd.DataFrame([x.numpy().ravel() for _, x in results.torch(["g"], [name, "cv"])]).iloc[:, :-1]


def planned(results, name):
    check_inference(study(inference=[{"use": "inference.regression", "of": [name], "splits": 2, "estimator": "Ridge"}]))
    return results.features([name])


#: What a user can do with a feature: a call with its name, that gives a table of its values or draws it.
PLACES = {
    "features": lambda results, name: results.features([name]),
    "to_pandas": lambda results, name: results.to_pandas([name]).iloc[:, 4:],
    "torch": torch_of,
    "inference": planned,
    "map": lambda results, name: plot.map(results, "g", "h", name),
    "plot.features": lambda results, name: plot.features(results, [name]),
    "pairs": lambda results, name: plot.pairs(results, ["g"], [name]),
    "importance": lambda results, name: plot.importance(results, name),
}
SPELLINGS = ["rate.E", "E", "rate.E (Hz)", "rate.E [Hz]", "E (Hz)"]


@pytest.mark.parametrize("place", PLACES)
def test_one_column_has_the_same_names_everywhere(place, results):
    for name in SPELLINGS:
        found = PLACES[place](results, name)
        if isinstance(found, pd.DataFrame):
            assert np.array_equal(found.to_numpy().ravel(), results.parameters["g"])
    told = {
        "rate.e": 'did you mean "rate.E"?',
        "rat.E": 'did you mean "rate',
        "rate.E (mV)": 'the unit of "rate.E" is Hz',
        "spikes": "is ragged",
    }
    for wrong, said in told.items():
        with pytest.raises(HpcsimError) as caught:
            PLACES[place](results, wrong)
        assert said in str(caught.value), wrong


@pytest.mark.parametrize("name", ["rate.E", "E", "rate.E (Hz)", "rate.E [1/s]", "E (Hz)"])
def test_observations_have_the_same_names(name, results):
    assert observed(results, name).to_numpy().tolist() == [[2.0]]


@pytest.mark.parametrize("wrong", ["rate.e", "rat.E"])
def test_a_wrong_column_of_observations_is_told(wrong, results):
    with pytest.raises(HpcsimError, match=rf'rate.E are missing; did you mean "{wrong}"'):
        observed(results, wrong)


def test_conditions_have_the_same_names(results):
    g = results.parameters["g"].to_numpy()
    wanted = np.flatnonzero((g > 2) & (results.features(["cv"])["cv"] >= 4))
    for name in ("rate.E", "E", "g"):
        assert np.array_equal(select(results, f"{name} > 2 and cv >= 4"), wanted)
    with pytest.raises(HpcsimError, match=r'"rate" has 2 columns; name one, such as "rate\.E"'):
        select(results, "rate > 2")
    told = {"rate.e": 'has no column "rate.e"; did you mean "rate.E"', "rat": "there is no number", "spikes": "ragged"}
    for wrong, said in told.items():
        with pytest.raises(HpcsimError, match=f"where: .*{said}"):
            select(results, f"{wrong} > 2")


@pytest.mark.parametrize("name", SPELLINGS)
def test_objectives_have_the_same_names(name, results):
    sampler = {"use": "uniform", "evaluations": 10, "objectives": {"o": {"of": name, "target": 2.0}}}
    search = hpcsim.Study("named", network, space={"g": {"uniform": [1.0, 5.0]}}, sampler=sampler).search
    [objective] = search.objectives
    assert objective.of == "rate.E" and search.plan.definitions["o"].startswith("absolute distance of rate.E from")
    assert np.array_equal(objective(results.table, np.arange(20)), abs(results.parameters["g"] - 2.0))
    [aim] = aims({"o": {"of": name, "target": 2.0}}, "here")
    assert named(aim, results).of == "rate.E"
    with pytest.raises(HpcsimError, match='did you mean "rate'):
        hpcsim.Study("named", network, space={"g": {"uniform": [1.0, 5.0]}}, sampler={**sampler, "objectives": {"o": "rat.E"}})


def test_objectives_of_whole_outputs(results):
    sampler = {"use": "uniform", "evaluations": 10, "objectives": ["rate (Hz)", "cv"]}
    search = hpcsim.Study("named", network, space={"g": {"uniform": [1.0, 5.0]}}, sampler=sampler).search
    assert [objective.of for objective in search.objectives] == ["rate.E", "rate.I", "cv"]


def test_an_output_is_all_of_its_columns(results):
    assert list(results.features(["rate"])) == list(results.features(["rate (Hz)"])) == ["rate.E", "rate.I"]
    assert list(results.features(["cv", "rate.I", "E"])) == ["cv", "rate.I", "rate.E"]
    assert list(results.features(["slope (µS/cm²)"])) == list(results.features(["slope (uS/cm^2)"])) == ["slope"]
    with pytest.raises(HpcsimError, match=r'"rate\.E" is there twice'):
        check_inference(study(inference=[{"use": "inference.regression", "of": ["rate", "rate.E"], "splits": 2}]))


def test_an_end_that_two_outputs_have_is_no_name():
    names = Coordinate(np.array(["E", "I"]))
    layout = Layout.of([Output("rate", ("population",)), Output("cv", ("population",))], {"population": names})
    with pytest.raises(HpcsimError, match='there is no output "E"'):
        layout.columns("E")
    # numbers along a dimension are no names by themselves
    power = Layout.of([Output("power", ("f",))], {"f": Coordinate(np.array([1.0, 2.5]))})
    assert power.columns("power.2.5").places == {"power.2.5": 1}
    with pytest.raises(HpcsimError, match="there is no output"):
        power.columns("2.5")


NUMBERS = ("psd", [1.0, 1.25, 1.5, 2.0])
LABELS = ("x", ["a", "a.b", "a.c", "01"])


@pytest.mark.parametrize(
    ("axis", "name", "meant"),
    [
        (NUMBERS, "psd", ["psd.1.0", "psd.1.25", "psd.1.5", "psd.2.0"]),
        (NUMBERS, "psd.1", ["psd.1.0"]),
        (NUMBERS, "psd.1.50", ["psd.1.5"]),
        (NUMBERS, "psd.2e0", ["psd.2.0"]),
        (NUMBERS, "psd.1.", ["psd.1.0"]),
        (NUMBERS, "psd.3", []),
        (NUMBERS, "psd.inf", []),
        (LABELS, "x", ["x.a", "x.a.b", "x.a.c", "x.01"]),
        (LABELS, "x.a", ["x.a"]),
        (LABELS, "x.a.b", ["x.a.b"]),
        (LABELS, "x.1", []),
        (("n", [1, 10, 2]), "n.1", ["n.1"]),
        (("n", [1, 10, 2]), "n.10.0", ["n.10"]),
        (("only", ["one"]), "only", ["only.one"]),
        (("only", ["one.two"]), "only.one", []),
    ],
)
def test_a_name_means_no_more_columns_than_it_says(axis, name, meant):
    """In all three places: where users write features, in objectives of samplers and in those of inference."""
    output, values = axis
    layout = Layout.of([Output(output, ("k",))], {"k": Coordinate(np.array(values))})
    places = {column: list(layout.columns(output).places).index(column) for column in meant}
    if meant:
        assert layout.columns(name).places == places
    else:
        with pytest.raises(HpcsimError, match=f'"{output}" has no column "{name}"'):
            layout.columns(name)
    assert Objective("o", name).columns(layout) == places
    [aim] = aims({"o": {"of": name, "target": 2.0}}, "here")
    others = [*layout.columns(output).places, f"{output}_more.1.0"]
    if meant:
        assert list(columns_of(aim, others)) == meant
    else:
        with pytest.raises(HpcsimError, match="there is no feature"):
            columns_of(aim, others)


@pytest.mark.parametrize(
    ("written", "recorded"),
    [("f.only", "f.only"), ("f", "f"), ("f (Hz)", "f"), ("only", "f.only"), ("f.only [Hz]", "f.only"), ("psd.1", "psd.1.0")],
)
def test_a_full_name_stays_in_the_definition_of_a_search(written, recorded):
    """Logs of searches hold it; of an output of one label the column became the output, and old logs did not resume."""
    coordinates = {"label": Coordinate(np.array(["only"])), "k": Coordinate(np.array([1.0, 1.25]))}
    layout = Layout.of([Output("f", ("label",), "Hz"), Output("psd", ("k",))], coordinates)
    assert Objective("o", written).named(layout).of == recorded

    class Made:
        """Features by the names of a layout."""

        def features(self, names):
            return pd.DataFrame(columns=[column for name in names for column in layout.columns(name).places])

    [aim] = aims({"o": written}, "here")
    assert named(aim, Made()).of == recorded


@pytest.mark.parametrize("column", ["x.peak (mV)", "peak (mV)", "x.peak (mV) [mV]"])
def test_a_label_with_brackets_is_found_in_observations(column):
    layout = Layout.of([Output("x", ("k",), "mV")], {"k": Coordinate(np.array(["peak (mV)", "rest"]))})
    assert list(layout.columns(column).places) == ["x.peak (mV)"]
    table = pd.DataFrame({column: [2.0], "x.rest (V)": [1.0]})
    found = feature_values(table, ["x.peak (mV)", "x.rest"], units={"x": "mV"})
    assert found.tolist() == [[2.0, 1000.0]]


def test_a_posterior_is_trained_on_single_columns(results):
    pytest.importorskip("torch")
    from hpcsim.inference.simulations import Simulations

    simulations = Simulations(results, ["g"], ["E (Hz)", "cv"], ["h"])
    assert simulations.features == ("rate.E", "cv", "h")
    block = next(simulations.blocks())
    assert np.array_equal(block.x[:, 0], block.theta[:, 0])
    assert np.array_equal(block.x[:, 1], block.x[:, 0] * block.x[:, 2])
