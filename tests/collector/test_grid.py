"""Results by their labels: grids, single points, tables; and files that others open labelled."""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import run

import h5py
import numpy as np
import pytest
from drawn_toys import search

import hpcsim
from hpcsim.errors import DamagedError, ResultsError

SPACE = {"zip": {"b": [2.0, 0.5, 1.0], "edge": [3.5, 2.5, 3.5]}, "a": [3.0, 1.0, 4.0]}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Points with a above edge fail: a = 4, and a = 3 where b is 0.5."""
    study = hpcsim.Study("squares", "drawn_toys:toy", space=SPACE, replicates=2)
    with study.run("inline", tmp_path_factory.mktemp("grid")) as results:
        yield results


def test_a_dimension_a_parameter(results):
    grid = results.grid()
    assert dict(grid.sizes) == {"a": 3, "b": 3, "replicate": 2, "site": 2, "time": 100}
    assert grid.a.values.tolist() == [1, 3, 4] and grid.b.values.tolist() == [0.5, 1, 2] and grid.a.units == "nA"
    # what goes together with b stands along b
    assert grid.edge.dims == ("b",) and grid.edge.values.tolist() == [2.5, 3.5, 3.5]
    expected = 2 * grid.a + grid.b + 0 * grid.replicate
    expected = expected.where(grid.a <= grid.edge)
    np.testing.assert_array_equal(grid.rate, expected.transpose(*grid.rate.dims))
    assert (grid.status == "failed").sum() == 2 * 4 and grid.rate.attrs == {"units": "Hz"}
    one = grid.v.sel(a=3, b=2, site="tuft", replicate=1)
    assert one.dims == ("time",) and float(one.max()) == pytest.approx(-58.5, abs=1e-3)
    point = results.point(str(grid.id.sel(a=3, b=2, replicate=1).item()))
    np.testing.assert_array_equal(point.v.sel(site="tuft"), one)
    assert list(results.grid(["rate"]).data_vars) == ["status", "id", "rate"]


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_points_that_go_together_and_repeat_the_first_value(tmp_path, precision):
    # the last two differ by less than float32 holds
    lists = {"a": [2.0, 1.0, 2.0, 0.3, 0.1 + 0.2], "b": [1.0, 2.0, 2.0, 1.0, 2.0], "edge": [5.0, 5.0, 1.0, 5.0, 5.0]}
    study = hpcsim.Study("pairs", "drawn_toys:toy", space={"zip": lists}, replicates=2, outputs={"precision": precision})
    with study.run("inline", tmp_path) as results:
        grid = results.grid(["rate"])
    # labels would not be unique
    assert grid.rate.dims == ("zip_a", "replicate") and grid.zip_a.values.tolist() == [0, 1, 2, 3, 4]
    assert grid.a.dims == grid.b.dims == grid.edge.dims == ("zip_a",) and grid.a.units == "nA"
    rows = np.column_stack([grid.a, grid.b]).tolist()
    assert rows == [[0.3, 1], [0.1 + 0.2, 2], [1, 2], [2, 1], [2, 2]]
    assert grid.status.values.tolist() == [["ok"] * 2] * 4 + [["failed"] * 2]
    np.testing.assert_allclose(grid.rate.sel(replicate=1), [1.6, 2.6, 4, 5, np.nan], rtol=1e-6)


def test_points_that_are_not_there_yet(tmp_path):
    with hpcsim.Study("part", "drawn_toys:toy", space={"a": [1.0, 2.0], "b": [1.0, 2.0]}).run("inline", tmp_path) as results:
        ids = results.grid().id.copy()
    # the grid grows: what was simulated stays
    study = hpcsim.Study("part", "drawn_toys:toy", space={"a": [1.0, 1.5, 2.0], "b": [1.0, 2.0]})
    (tmp_path / "study.toml").write_text(study.to_toml())
    with study.run("inline", tmp_path) as results:
        grid = results.grid()
        assert not grid.rate.isnull().any() and (grid.id.sel(a=[1.0, 2.0]) == ids).all()
    with hpcsim.Study("part", "drawn_toys:toy", space={"a": [1.0], "b": [2.0]}).run("inline", tmp_path / "less") as results:
        # only the study that is written in the results counts: pretend that it asked for more
        vars(results)["provenance"] = {**results.provenance, "study": study.to_toml()}
        grid = results.grid()
        assert grid.status.values.ravel().tolist().count("missing") == 5 and int(grid.rate.notnull().sum()) == 1
        assert float(grid.rate.sel(a=1, b=2).item()) == 4.0 and grid.id.sel(a=1.5, b=2).item() == ""


def test_one_point(results):
    first = results.parameters.index[0]
    point = results.point(first[:8])
    assert point.sizes == {"site": 2, "time": 100, "spike": 3} and point.a.item() == results.parameters["a"].iloc[0]
    np.testing.assert_array_equal(point.spikes, results.ragged("spikes")[0])
    assert {"a", "b", "edge", "id", "replicate"} <= set(point.coords)
    with pytest.raises(ResultsError, match='no point has an id that begins with "zz"'):
        results.point("zz")
    with pytest.raises(ResultsError, match="has no outputs: it is failed"):
        results.point(results.failures.index[0])


def test_a_table_of_all_points(results):
    table = results.to_pandas()
    assert len(table) == 18 and list(table.columns) == ["a", "b", "edge", "replicate", "status", "rate"]
    assert table["rate"].isna().sum() == 8 == (table["status"] == "failed").sum()
    good = table.dropna()
    np.testing.assert_array_equal(good["rate"], 2 * good["a"] + good["b"])


def test_what_is_no_grid_is_said(results, tmp_path):
    with pytest.raises(ResultsError, match='there is no output "rat"; did you mean "rate"'):
        results.grid(["rat"])
    with pytest.raises(ResultsError, match='"spikes" is ragged'):
        results.grid(["spikes"])
    with (
        search(tmp_path, sampler={"use": "uniform", "evaluations": 2, "objectives": {"rate": {"of": "rate"}}}) as other,
        pytest.raises(ResultsError, match=r"has no grid: the study has a, b drawn; results.to_pandas\(\)"),
    ):
        other.grid()


def test_the_file_is_labelled_for_others(results):
    code = """
import sys
import xarray
data = xarray.open_dataset(sys.argv[1], engine="h5netcdf")
assert "hpcsim" not in sys.modules
assert {"a", "b", "edge", "id", "replicate"} <= set(data.coords), data
table = data.rate.to_dataframe()
assert {"a", "b", "edge", "rate"} <= set(table.columns)
print(type(data.id.values[0]).__name__, data.id.values[0])
"""
    found = run([sys.executable, "-P", "-c", code, str(Path(results.path))], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["str", results.parameters.index[0]]


def test_a_parameter_that_lost_its_role(tmp_path: Path) -> None:
    study = hpcsim.Study("roles", "drawn_toys:toy", space={"a": [1.0, 2.0]})
    study.run("inline", tmp_path).close()
    with h5py.File(tmp_path / "results.h5", "r+") as file:
        del file["a"].attrs["hpcsim_role"]
    with hpcsim.open(tmp_path) as results, pytest.raises(DamagedError, match='the study draws "a", which is no parameter'):
        results.grid()
