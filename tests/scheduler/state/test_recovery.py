"""Results that are damaged: every command says so, a run keeps what can be read, and the rest is simulated again."""

from __future__ import annotations

import random
from pathlib import Path

import h5py
import pytest

import hpcsim
from hpcsim.collector.format.table import Table
from hpcsim.errors import DamagedError, HpcsimError
from hpcsim.scheduler.plan import plan
from hpcsim.scheduler.state.check import check, repair
from hpcsim.scheduler.state.recovery import recover
from hpcsim.study.directory import StudyDirectory

N = 6000
TOML = '[study]\nname = "r"\nmodel = "toys:batch"\n[space]\nx = { linspace = [0, %d, %d] }\n[fixed]\nmarker = "simulated"\n'


def make(n: int = N) -> tuple[hpcsim.Study, StudyDirectory]:
    Path("r.toml").write_text(TOML % (n - 1, n))
    study = hpcsim.Study.load("r.toml")
    return study, study.directory()


def content(path: Path) -> dict[str, tuple[float, bytes, int]]:
    """What stands in the results, by id."""
    with Table(path) as table:
        spikes = table.batch("spikes", 0, len(table))
        noise, square = table.array("noise"), table.array("square")
        ids = table.array("id").tolist()
        return {id: (float(square[i]), noise[i].tobytes(), len(spikes[i])) for i, id in enumerate(ids)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Results of the study with two blocks of rows, and a third that is not full."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("whole"))
        study, directory = make()
        study.run("inline").close()
        return directory.results.read_bytes()


@pytest.fixture
def study_and_place(whole: bytes) -> tuple[hpcsim.Study, StudyDirectory]:
    study, directory = make()
    directory.open(study.to_toml(), study.recipe, study.name)
    directory.results.write_bytes(whole)
    return study, directory


def cut(data: bytes, fraction: float) -> bytes:
    return data[: int(len(data) * fraction)]


def other_hdf5(data: bytes) -> bytes:
    with h5py.File("other.h5", "w") as file:
        file["a"] = 1
    return Path("other.h5").read_bytes()


DAMAGES = {
    "empty": lambda data: b"",
    "one byte": lambda data: data[:1],
    "cut at a third": lambda data: cut(data, 1 / 3),
    "without its last byte": lambda data: data[:-1],
    "text": lambda data: b"no HDF5 " * 5000,
    "zeros": lambda data: bytes(len(data)),
    "zeros at the start": lambda data: bytes(4096) + data[4096:],
    "other HDF5": other_hdf5,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_run_goes_on_with_what_is_left(damage, study_and_place, whole):
    study, directory = study_and_place
    wanted = content(directory.results)
    broken = DAMAGES[damage](whole)
    directory.results.write_bytes(broken)
    with pytest.raises(HpcsimError):
        hpcsim.open(directory.path)
    with pytest.raises(HpcsimError):
        plan(study, directory)
    assert not check(study, directory).ok
    study.run("inline").close()
    assert content(directory.results) == wanted
    assert [path.read_bytes() for path in directory.path.glob("results.damaged-*.h5")] == [broken]
    assert check(study, directory).ok


@pytest.mark.parametrize("line", ["status", "plan", "infer", "check", "collect", "run"])
def test_every_command_says_what_to_do(line, study_and_place, whole, command):
    _, directory = study_and_place
    directory.results.write_bytes(cut(whole, 0.6))
    if line == "collect":
        (directory.shards / "a.0.00000000.h5").write_bytes(b"")
    done = command(line, "r.toml", *(["--on", "inline"] if line == "run" else []))
    assert "Traceback" not in done.stderr
    assert "results.h5" in done.stderr + done.stdout
    assert "damaged" in done.stderr + done.stdout
    assert done.returncode == {"run": 0, "collect": 3}.get(line, 1)
    if line != "run":
        assert "hpcsim check --repair" in done.stderr + done.stdout


def test_points_that_can_be_read_are_not_simulated_again(study_and_place, whole):
    study, directory = study_and_place
    directory.results.write_bytes(whole[:-1])
    [words] = recover(study, directory)
    assert "results.damaged-1.h5" in words
    left = plan(study, directory).left
    assert 0 <= left < N
    assert f"{N - left:,} of its points are kept" in words
    # a second time, the name is taken
    directory.results.write_bytes(b"")
    assert "results.damaged-2.h5" in recover(study, directory)[0]
    assert plan(study, directory).left == left


def test_a_flipped_bit_is_found_and_costs_its_block_alone(study_and_place, whole):
    study, directory = study_and_place
    with h5py.File(directory.results) as file:
        place = file["noise"].id.get_chunk_info_by_coord((0, 0))
    flipped = bytearray(whole)
    flipped[place.byte_offset + place.size // 2] ^= 1
    directory.results.write_bytes(flipped)
    report = check(study, directory)
    assert not report.ok
    assert 0 < report.missing < N
    [words] = repair(study, directory)
    assert f"{N - report.missing:,} of its points are kept" in words
    assert plan(study, directory).left == report.missing
    study.run("inline").close()
    assert check(study, directory).ok
    assert repair(study, directory) == []


@pytest.mark.parametrize("name", ["id", "status", "x", "seed", "noise", "spikes", "spike_count"])
def test_reading_a_flipped_bit_is_an_error_with_advice(name, study_and_place, whole):
    _, directory = study_and_place
    with Table(directory.results) as table:
        place, wanted = table.member(name).id.get_chunk_info(0), table.array(name)
    refused = 0
    for part in range(1, 10):
        flipped = bytearray(whole)
        flipped[place.byte_offset + place.size * part // 10] ^= 4
        directory.results.write_bytes(flipped)
        with Table(directory.results) as table:
            try:
                # some bits of a packed block mean nothing
                assert (table.array(name) == wanted).all()
            except DamagedError as error:
                assert "hpcsim run" in str(error)
                refused += 1
    assert refused > 5


def test_no_flipped_bit_does_harm_unnoticed():
    """Wherever a bit flips: the check finds it, or everything that can be read is as it was."""
    small, _ = make(30)
    small.run("inline", directory="small").close()
    place = small.directory("small")
    data, wanted = place.results.read_bytes(), content(place.results)
    chance = random.Random(1)
    noticed = 0
    for _ in range(60):
        flipped = bytearray(data)
        flipped[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        place.results.write_bytes(flipped)
        if check(small, place).ok:
            assert content(place.results) == wanted
        else:
            noticed += 1
    assert noticed > 5


def test_a_value_that_was_changed_does_not_fit_its_id(study_and_place):
    study, directory = study_and_place
    with h5py.File(directory.results, "r+") as file:
        file["x"][7] = 7.5
    report = check(study, directory)
    assert (report.missing, report.collected) == (1, N - 1)
    assert "1 of the points" in str(report.defects[0])


def test_results_of_a_version_without_checksums_are_extended(monkeypatch):
    create = h5py.Group.create_dataset
    study, directory = make(3000)
    with monkeypatch.context() as patch:
        patch.setattr(h5py.Group, "create_dataset", lambda *given, fletcher32=False, **more: create(*given, **more))
        study.run("inline").close()
    with h5py.File(directory.results) as file:
        assert not file["id"].fletcher32
        before = file["id"][...]
    study, directory = make(N)
    study.run("inline").close()
    with h5py.File(directory.results) as file:
        assert (file["id"][:3000] == before).all() or set(map(bytes, before)) <= set(map(bytes, file["id"][...]))
    assert len(content(directory.results)) == N
    assert check(study, directory).ok


def test_check_is_told_of_all_that_is_not_in_order(command, study_and_place):
    _, directory = study_and_place
    done = command("check", "r.toml")
    assert done.returncode == 0, done.stdout
    assert f"{N:,} of {N:,} points" in done.stdout
    make(N + 5)
    done = command("check", "r.toml", "--dir", directory.path)
    assert done.returncode == 1
    assert f"5 of {N + 5:,} points are missing" in done.stdout
    assert "hpcsim run" in done.stdout
    make(N - 5)
    done = command("check", "r.toml", "--dir", directory.path)
    assert done.returncode == 0
    assert "5 more rows are not in the design" in done.stdout


def test_check_reads_shards():
    from hpcsim.scheduler.task.supervisor import Task

    study, _ = make(10)
    place = study.directory("apart")
    place.open(study.to_toml(), study.recipe, study.name)
    assert Task(place, 0, 6).run() == 0
    report = check(study, place)
    assert (report.collected, report.waiting, report.missing) == (0, 6, 4)
    [shard] = place.shards.glob("*.h5")
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    report = check(study, place)
    assert (report.waiting, report.missing) == (0, 10)
    assert "checksum" in str(report.defects[0])
    other = hpcsim.Study("r", "toys:batch", space={"x": {"linspace": [0, 9, 10]}}, fixed={"marker": "simulated"}, seed=7)
    theirs = other.directory("theirs")
    other.run("inline", directory="theirs").close()
    shard.unlink()
    theirs.results.rename(place.results)
    report = check(study, place)
    assert report.missing == 10
    assert any("another recipe" in str(defect) for defect in report.defects)


def test_check_while_a_sweep_runs_says_so(study_and_place):
    from hpcsim.scheduler.sweep_lock import one_sweep

    study, directory = study_and_place
    with one_sweep(directory, "a sweep"):
        assert any("at work" in note for note in check(study, directory).notes)


def test_text_parameters_and_lists_have_ids_that_can_be_checked():
    study = hpcsim.Study("words", "toys:single", space={"x": [1.5, 2.0], "how": ["raise", "shape"]}, replicates=2)
    study.run("inline").close()
    report = study.check()
    assert report.ok
    assert report.collected == report.total == 8
