"""Results, shards and NWB files that were damaged, or built by somebody: by bytes, and by parts that HDF5 allows."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import pytest
from absent import needed
from fuzz_changes import changed_bytes
from fuzz_oracle import fuzzed, judged
from hypothesis import given
from hypothesis import strategies as st

import hpcsim
from hpcsim import Coordinate, Output, Parameter, model
from hpcsim.collector.collect import collect
from hpcsim.collector.format.storage import checksum
from hpcsim.collector.shard import shard_files, verify
from hpcsim.recordings.glm_table import glm_table
from hpcsim.recordings.nwb import find_sweep
from hpcsim.scheduler.executor import Job
from hpcsim.scheduler.inline import run_inline
from hpcsim.scheduler.plan import Plan, plan
from hpcsim.scheduler.prepare import prepare
from hpcsim.scheduler.state.check import check

needed("pynwb")
pytestmark = pytest.mark.filterwarnings("ignore")
N = 12


@model(
    "fuzz.toy",
    parameters=[Parameter("x", 0.0, "mV"), Parameter("word", "a", choices=("a", "bc"))],
    outputs=[Output("y", unit="ms"), Output("v", ("time",), "mV"), Output("times", ("spike",), "ms", ragged=True)],
    coordinates=lambda values: {"time": Coordinate(np.arange(3) * 0.1, "ms")},
)
def toy(point, context):
    """One output of each form; fails once."""
    if point["x"] == 3:
        raise ValueError("no")
    return {"y": point["x"], "v": np.full(3, point["x"]), "times": np.arange(int(point["x"]))}


@dataclass
class Good:
    """What is changed."""

    study: hpcsim.Study
    shards: Path
    results: Path
    nwb: Path


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Good:
    """A study with results and a shard, and a recording."""
    folder = tmp_path_factory.mktemp("good")
    study = hpcsim.Study("fuzz", toy, space={"x": {"linspace": [0, N - 1, N]}, "word": "bc"})
    places = []
    for name, collected in (("shards", False), ("results", True)):
        directory = study.directory(folder / name)
        prepare(study, directory)
        run_inline(Job(study, directory, Plan(N, 0, ((0, N),))))
        if collected:
            collect(directory.path, final=True, provenance={"study": study.to_toml()})
        places.append(directory.path)
    made = Good(study, *places, _recording(folder / "cell.nwb"))
    # what a first use imports is no doing of the input, and each copy of this process would do it again
    _opened(made.results)
    check(study, study.directory(made.results))
    find_sweep(made.nwb, None)
    return made


def _recording(path: Path) -> Path:
    from pynwb import NWBHDF5IO, NWBFile
    from pynwb.icephys import CurrentClampSeries, CurrentClampStimulusSeries

    nwb = NWBFile("a test", path.stem, datetime(2025, 1, 1, tzinfo=UTC))
    electrode = nwb.create_icephys_electrode("e", device=nwb.create_device("amplifier"), description="patch")
    v, current = np.full(400, -0.07), np.zeros(400)
    v[150:250:10], current[100:300] = 0.02, 2e-10
    common = {"electrode": electrode, "gain": 1.0, "rate": 1000.0, "starting_time": 0.0, "sweep_number": np.uint32(0)}
    nwb.add_acquisition(CurrentClampSeries(name="v0", data=v, **common))
    nwb.add_stimulus(CurrentClampStimulusSeries(name="i0", data=current, **common))
    with NWBHDF5IO(str(path), "w") as io:
        io.write(nwb)
    return path


@st.composite
def changed_hdf5(draw: st.DrawFn, path: Path) -> list[str]:
    """An HDF5 file built in another way; returns what was done."""
    done = []
    with h5py.File(path, "r+") as file:
        for _ in range(draw(st.integers(1, 3))):
            every: list[str] = []
            file.visit(every.append)
            if not every:
                break
            name = draw(st.sampled_from(sorted(every)))
            step = draw(st.sampled_from(sorted(_STEPS)))
            done.append(f"{step} {name}")
            try:
                _STEPS[step](draw, file, name, sorted(every))
            except (OSError, ValueError, TypeError, KeyError, RuntimeError, AttributeError, OverflowError):
                done[-1] += " (not)"
    return done


_VALUES = st.sampled_from(
    [0, -1, 2**62, np.nan, np.inf, "", "point", "../x", b"\xff", [], [1, 2], np.array(["a"], object), 1e300]
)


def _drop(draw: st.DrawFn, file: h5py.File, name: str, every: list[str]) -> None:
    del file[name]


def _attribute(draw: st.DrawFn, file: h5py.File, name: str, every: list[str]) -> None:
    item = file[draw(st.sampled_from([name, "/"]))]
    known = sorted(item.attrs) or ["format"]
    item.attrs[draw(st.sampled_from(known))] = draw(_VALUES)


def _no_attribute(draw: st.DrawFn, file: h5py.File, name: str, every: list[str]) -> None:
    item = file[draw(st.sampled_from([name, "/"]))]
    del item.attrs[draw(st.sampled_from(sorted(item.attrs)))]


def _values(draw: st.DrawFn, file: h5py.File, name: str, every: list[str]) -> None:
    file[name][...] = draw(_VALUES)


def _one_value(draw: st.DrawFn, file: h5py.File, name: str, every: list[str]) -> None:
    file[name][draw(st.integers(0, len(file[name]) - 1))] = draw(_VALUES)


def _resized(draw: st.DrawFn, file: h5py.File, name: str, every: list[str]) -> None:
    file[name].resize(draw(st.sampled_from([0, 1, 13, 10**6, 10**12])), axis=0)


def _swapped(draw: st.DrawFn, file: h5py.File, name: str, every: list[str]) -> None:
    other = draw(st.sampled_from(every))
    file.move(name, "kept_for_now")
    file.move(other, name)
    file.move("kept_for_now", other)


def _made_anew(draw: st.DrawFn, file: h5py.File, name: str, every: list[str]) -> None:
    attributes = dict(file[name].attrs)
    shape = draw(st.sampled_from([file[name].shape, (), (10**12,), (N, 10**9), (0,), (N, 0)]))
    kind = draw(st.sampled_from(["f8", "i1", "S3", "u8", h5py.string_dtype(), h5py.ref_dtype, "c16", [("a", "f4"), ("b", "i2")]]))
    del file[name]
    chunks = tuple(min(n, 64) or 1 for n in shape) or None
    made = file.create_dataset(name, shape, kind, chunks=chunks, maxshape=tuple(None for _ in shape) or None)
    made.attrs.update(attributes)


def _outside(draw: st.DrawFn, file: h5py.File, name: str, every: list[str]) -> None:
    attributes, shape = dict(file[name].attrs), file[name].shape
    del file[name]
    made = file.create_dataset(name, shape, "f8", external=[("/proc/self/status", 0, h5py.h5f.UNLIMITED)])
    made.attrs.update(attributes)


def _link(draw: st.DrawFn, file: h5py.File, name: str, every: list[str]) -> None:
    del file[name]
    file[name] = draw(st.sampled_from([h5py.SoftLink("/"), h5py.SoftLink(f"/{name}"), h5py.ExternalLink("/etc/passwd", "/")]))


def _group(draw: st.DrawFn, file: h5py.File, name: str, every: list[str]) -> None:
    del file[name]
    file.create_group(name)


_STEPS: dict[str, Callable[[st.DrawFn, h5py.File, str, list[str]], None]] = {
    function.__name__.strip("_"): function
    for function in (
        *(_drop, _attribute, _no_attribute, _values, _one_value, _resized, _swapped, _made_anew, _outside, _link, _group),
    )
}


def _changed(data: st.DataObject, path: Path) -> None:
    if data.draw(st.booleans()):
        path.write_bytes(data.draw(changed_bytes(path.read_bytes())))
    else:
        data.draw(changed_hdf5(path))


def _opened(path: Path) -> None:
    """What an analysis reads."""
    with hpcsim.open(path) as results:
        repr(results), results._repr_html_()
        for name in ("parameters", "records", "failures", "units", "provenance", "study", "versions", "recipes", "counts"):
            getattr(results, name)
        results.features(["y"]), results.theta(), results.to_pandas()
        list(results.ragged("times"))
        results.point(0)
        results.grid(["y"])


@fuzzed(15)
@given(data=st.data())
def test_results(tmp_path: Path, good: Good, data: st.DataObject) -> None:
    place = tmp_path / "study"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(good.results, place)
    _changed(data, place / "results.h5")
    judged("results, read", _opened, place, inside=tmp_path, apart=True)
    directory = good.study.directory(place)
    judged("results, planned", lambda: plan(good.study, directory), inside=tmp_path, apart=True)
    judged("results, checked", lambda: check(good.study, directory), inside=tmp_path, apart=True)


@fuzzed(15)
@given(data=st.data(), signed=st.booleans())
def test_a_shard(tmp_path: Path, good: Good, data: st.DataObject, signed: bool) -> None:
    """With the checksum of what it is, or of what it was."""
    place = tmp_path / "study"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(good.shards, place)
    (shard,) = shard_files(place / "shards")
    _changed(data, shard)
    if signed:
        shard = shard.rename(shard.with_name(".".join([*shard.name.split(".")[:-2], checksum(shard), "h5"])))
    judged("shards, verified", verify, shard, inside=tmp_path, apart=True)
    directory = good.study.directory(place)
    judged("shards, planned", lambda: plan(good.study, directory), inside=tmp_path, apart=True)

    def gathered() -> None:
        report = collect(place, final=True)
        assert report is not None
        if (place / "results.h5").exists():
            _opened(place)

    judged("shards, collected", gathered, inside=tmp_path, apart=True)


@fuzzed(12)
@given(data=st.data())
def test_a_recording_in_nwb(tmp_path: Path, good: Good, data: st.DataObject) -> None:
    path = tmp_path / "cell.nwb"
    shutil.copy(good.nwb, path)
    _changed(data, path)
    judged("NWB, a sweep", lambda: find_sweep(path, None), inside=tmp_path, apart=True)
    judged("NWB, a GLM", lambda: glm_table([path], train="Noise 1", test="Noise 2"), inside=tmp_path, apart=True)
