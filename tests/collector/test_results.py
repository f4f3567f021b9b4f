"""Results as an analysis sees them."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from toy_rows import toy_id, write_shard

from hpcsim.collector.collect import collect
from hpcsim.collector.results import Results, open_results
from hpcsim.errors import ResultsError

N = 2200
FAILED = {3: 1, 7: 2, 2100: 3}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with rows that arrived in no order."""
    directory = tmp_path_factory.mktemp("study")
    numbers = np.random.default_rng(2).permutation(N)
    for part in np.split(numbers, [900, 1000]):
        write_shard(directory / "shards", part, status=[FAILED.get(i, 0) for i in part.tolist()])
        study = '[study]\nname = "toy"\n'
        collect(directory, final=True, provenance={"study": study, "versions": '{"numpy": "2.3"}'})
    return directory


@pytest.fixture
def results(directory: Path) -> Iterator[Results]:
    with open_results(directory) as results:
        yield results


def ok_numbers() -> list[int]:
    """Numbers of the points that succeeded, sorted by id."""
    return sorted((i for i in range(N) if i not in FAILED), key=toy_id)


def test_what_there_is(results: Results) -> None:
    assert len(results) == N
    assert results.counts == {"ok": N - 3, "failed": 1, "crashed": 1, "timeout": 1}
    assert results.units["a"] == "nA"
    assert results.units["time"] == "ms"
    assert results.units["catch22"] == ""
    assert results.study == {"study": {"name": "toy"}}
    assert results.versions == {"numpy": "2.3"}
    assert repr(results) == (
        "<Results toy: 2200 points (2197 ok, 1 failed, 1 crashed, 1 timeout); y, eeg, catch22, spike_times, spike_ids>"
    )


def test_tables_by_id(results: Results) -> None:
    parameters = results.parameters
    assert list(parameters) == ["a", "n", "word", "pair.0", "pair.1", "switch"]
    assert parameters.index.name == "id"
    assert parameters.loc[toy_id(41)].tolist() == [20.5, 41, "zwölf", 41.0, -41.0, False]
    records = results.records
    assert records.loc[toy_id(7), "status"] == "crashed"
    assert records.loc[toy_id(8), "host"] == "node8"
    assert (records["status"] == "ok").sum() == N - 3


def test_failures_say_why(results: Results) -> None:
    failures = results.failures.loc[[toy_id(i) for i in FAILED]]
    assert len(results.failures) == 3
    assert failures["status"].tolist() == ["failed", "crashed", "timeout"]
    assert failures["error"].tolist() == ["é3", "é7", "é2100"]
    assert failures["n"].tolist() == [3, 7, 2100]


def test_features_and_theta_do_not_depend_on_arrival(results: Results) -> None:
    features = results.features(["catch22", "y"])
    theta = results.theta(["n", "pair"])
    assert list(features) == ["catch22.mean", "catch22.acf", "y"]
    assert list(theta) == ["n", "pair.0", "pair.1"]
    assert features.index.tolist() == theta.index.tolist() == [toy_id(i) for i in ok_numbers()]
    assert theta["n"].tolist() == features["y"].tolist() == features["catch22.acf"].tolist() == ok_numbers()
    assert list(results.features()) == ["y", "catch22.mean", "catch22.acf"]


@pytest.mark.parametrize(
    ("names", "said"),
    [(["cath22"], 'did you mean "catch22"'), (["eeg"], "dimensions channel, time"), (["spike_ids"], "is ragged")],
)
def test_features_that_are_none(results: Results, names: list[str], said: str) -> None:
    with pytest.raises(ResultsError, match=said):
        results.features(names)


def test_ragged_is_a_sequence_in_the_order_of_the_file(results: Results) -> None:
    numbers = results.parameters["n"].to_numpy()
    spikes = results.ragged("spike_times")
    assert len(spikes) == N
    assert spikes[1500].tolist() == [numbers[1500]] * (numbers[1500] % 4)
    assert [a.tolist() for a in spikes[5:7]] == [[i] * (i % 4) for i in numbers[5:7]]
    assert [a.tolist() for a in spikes.to_list()] == [[i] * (i % 4) for i in numbers]
    with pytest.raises(ResultsError, match='did you mean "spike_times"'):
        results.ragged("spike_time")


def test_xarray_views(results: Results) -> None:
    assert set(results.outputs.data_vars) == {"y", "eeg", "catch22", "spike_times", "spike_ids", "spike_count"}
    eeg = results.outputs["eeg"].sel(channel="Öz").isel(point=10).values
    assert eeg.tolist() == [results.parameters["n"].iloc[10]] * 5
    assert results.dataset["word"].values[0] in ("nine", "zwölf")


def test_torch_streams_batches(results: Results) -> None:
    import torch

    data = results.torch(["a", "pair"], ["eeg"])
    numbers = ok_numbers()
    assert len(data) == N - 3
    theta, x = data[5]
    assert theta.tolist() == [numbers[5] * 0.5, numbers[5], -numbers[5]]
    assert (x.shape, x.dtype) == ((3, 5), torch.float32)
    asked = [2000, 3, 3, 1200, 0]
    assert [x[0, 0].item() for _, x in data.__getitems__(asked)] == [numbers[i] for i in asked]
    assert data[0][1].flatten()[0] == numbers[0]
    loader = torch.utils.data.DataLoader(results.torch(["n"], ["y", "catch22"]), batch_size=1000)
    seen = [pair for pair in loader]
    assert torch.cat([theta for theta, _ in seen])[:, 0].tolist() == numbers
    assert torch.cat([x for _, x in seen]).tolist() == [[i] * 3 for i in numbers]
    assert pickle.loads(pickle.dumps(data))[7][0][1] == numbers[7]  # as workers of a loader get it
    with pytest.raises(ResultsError, match='"word" is text'):
        results.torch(["word"], ["y"])


def test_no_results_yet(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="run the study first"):
        Results(tmp_path)
    write_shard(tmp_path / "shards", [1])
    with pytest.raises(ResultsError, match="1 shards wait beside it: collect them first"):
        Results(tmp_path)
    (tmp_path / "results.h5").write_bytes(b"no HDF5")
    with pytest.raises(ResultsError, match="cannot be read"):
        Results(tmp_path / "results.h5")


def test_xarray_opens_results_without_hpcsim(directory: Path) -> None:
    code = """
import sys
sys.modules["hpcsim"] = None
import numpy as np, xarray as xr
data = xr.open_dataset(sys.argv[1], engine="h5netcdf")
numbers = data.n.values
assert data.eeg.dims == ("point", "channel", "time"), data.eeg.dims
assert data.eeg.attrs["units"] == "uV" and data.time.attrs["units"] == "ms"
assert data.y.attrs["long_name"] == "the number itself"
assert data.channel.values.tolist() == ["Fz", "Cz", "Öz"]
assert data.id.values[4].endswith(f"{numbers[4]:08x}") and len(data.id.values[4]) == 32
assert data.word.values[:2].tolist() == [("nine", "zwölf")[i % 2] for i in numbers[:2]]
assert data.switch.dtype == bool and data.pair.dims == ("point", "pair_element")
assert data.wall_time.dtype == "f8" and data.wall_time.attrs["units"] == "s"
assert data.spike_times.dims == ("spike",) and data.spike_count.attrs["sample_dimension"] == "spike"
assert (data.spike_times.values == np.repeat(numbers, data.spike_count.values)).all()
assert (data.eeg.values[data.status.values == 0][:, 1, 2] == numbers[data.status.values == 0]).all()
assert data.status.attrs["flag_meanings"] == "ok failed crashed timeout"
assert data.attrs["Conventions"] == "CF-1.11"
print("all")
"""
    command = [sys.executable, "-W", "error::FutureWarning", "-c", code, str(directory / "results.h5")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.stdout == "all\n", done.stderr
