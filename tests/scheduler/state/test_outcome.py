"""No command says success, and nothing is inferred, while points of the design are missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from squares import make, right, rows

from hpcsim import Study
from hpcsim.collector.results import Results
from hpcsim.collector.shard import shard_files
from hpcsim.errors import AllFailedError, DirectoryError, IncompleteError
from hpcsim.scheduler import sweep as sweeps
from hpcsim.scheduler.executor import Executor, Listener
from hpcsim.scheduler.gather import gather
from hpcsim.scheduler.prepare import prepare
from hpcsim.scheduler.slurm.submission import write_tasks
from hpcsim.scheduler.state.outcome import check_success, check_whole
from hpcsim.scheduler.sweep import sweep
from hpcsim.scheduler.target import Target
from hpcsim.scheduler.task.runner import Runner
from hpcsim.study.directory import StudyDirectory

HEAD = '[study]\nname = "%s"\nmodel = "toys:single"\nseed = %d\n'


def simulate(study: Study, directory: StudyDirectory, start: int, stop: int) -> Path:
    """The shard of some points."""
    prepare(study, directory)
    before = set(shard_files(directory.shards))
    Runner(study, directory, start, stop).run()
    [path] = set(shard_files(directory.shards)) - before
    return path


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) * 3 // 4] ^= 1
    path.write_bytes(data)


def toy(seed: int = 0, **more: Any) -> Study:
    return Study("t", "toys:single", space={"x": [0, 1, 2, 3], "guilty": {"linspace": [7, 9, 3]}}, seed=seed, **more)


def test_a_grid_with_a_list_and_a_line_may_grow_and_shrink(tmp_path: Path, command: Callable[..., Any]) -> None:
    line = "[space]\nguilty = { linspace = [6, 9, 4] }\nx = [1, %s]\n[outputs]\nkeep = ['square']\n"
    for values, points in (("2, 3", 12), ("2, 3, 4", 16), ("3", 8), ("0, 3, 2, 4", 20)):
        (tmp_path / "g.toml").write_text(HEAD % ("g", 0) + line % values)
        done = command("run", "g.toml")
        assert done.returncode == 0, done.stderr
        study = Study.load("g.toml")
        ids = study.design.ids(0, points).astype(str).tolist()
        with Results(tmp_path / "runs" / "g") as results:
            assert len(study.design) == points and list(results.parameters.index[:points]) == ids


def test_a_damaged_shard_runs_again_in_the_same_command(tmp_path: Path) -> None:
    study, directory = make(tmp_path, 12)
    damage(simulate(study, directory, 0, 8))
    said: list[str] = []
    sweep(study, directory, Target("inline"), listener=Listener(notify=said.append))
    assert rows(directory) == right(12)
    assert any("set aside" in text for text in said) and any("8 of 12 points have no row" in text for text in said)
    assert list((directory.shards / "damaged").iterdir())


def test_shards_of_an_earlier_recipe_are_never_taken_for_this_study(tmp_path: Path) -> None:
    late = simulate(toy(seed=4), StudyDirectory(tmp_path / "old"), 0, 12)
    directory = StudyDirectory(tmp_path / "new")
    simulate(toy(seed=3), directory, 0, 12)
    # a task that was started before its directory was moved away writes last
    late.rename(directory.shards / late.name)
    study = toy(seed=3)
    with study.run(on="inline", directory=directory.path) as results:
        assert results.table.attrs["fingerprint"] == study.fingerprint and len(results) == 12
        seeds = dict(zip(results.records.index, results.records["seed"].tolist(), strict=True))
    assert seeds == {point.id: point.seed for point in study.design.block(0, 12)}
    assert [path.name for path in (directory.shards / "refused").iterdir()] == [late.name]
    assert shard_files(directory.shards) == []


def test_only_shards_of_an_earlier_recipe_are_no_results(tmp_path: Path) -> None:
    late = simulate(toy(seed=4), StudyDirectory(tmp_path / "old"), 0, 12)
    study, directory = toy(seed=3), StudyDirectory(tmp_path / "new")
    prepare(study, directory)
    late.rename(directory.shards / late.name)
    gather(study, directory)
    assert not directory.results.exists()
    with pytest.raises(IncompleteError, match="12 of 12 points have no row"):
        check_whole(study, directory)


def test_results_of_another_recipe_are_refused_before_anything_runs(tmp_path: Path) -> None:
    other = StudyDirectory(tmp_path / "old")
    toy(seed=4).run(on="inline", directory=other.path)
    marker = tmp_path / "begun"
    study, directory = toy(seed=3, fixed={"marker": str(marker)}), StudyDirectory(tmp_path / "new")
    prepare(study, directory)
    other.results.rename(directory.results)
    for _ in range(2):
        with pytest.raises(DirectoryError, match=r"another recipe .* move the file away"):
            study.run(on="inline", directory=directory.path)
    with pytest.raises(DirectoryError, match="another recipe"):
        study.infer(directory)
    assert not marker.exists()
    directory.results.unlink()
    assert len(study.run(on="inline", directory=directory.path)) == 12


def test_points_that_never_arrive_end_the_sweep_after_some_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[tuple[int, int], ...]] = []

    def forgetful(job: Any) -> None:
        asked.append(job.plan.pending)
        Runner(job.study, job.directory, 0, 5).run()

    monkeypatch.setattr(sweeps, "get_executor", lambda name: Executor.of(name, forgetful))
    with pytest.raises(
        IncompleteError, match=r"7 of 12 points .*: point 5 \(guilty = 8, x = 1, id [0-9a-f]{8}\).*tried 3 times"
    ) as e:
        toy().run(on="inline", directory=tmp_path / "d")
    assert (e.value.missing, e.value.total, e.value.exit_code) == (7, 12, 4)
    assert asked == [((0, 12),), ((5, 12),), ((5, 12),)]


def test_failed_points_are_retried_once_when_points_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study, directory = make(tmp_path, 4)
    sweep(study, directory, Target("inline"))
    rounds: list[bool] = []
    monkeypatch.setattr(sweeps, "get_executor", lambda name: Executor.of(name, lambda job: rounds.append(job.retry_failed)))
    (tmp_path / "s.toml").write_text((tmp_path / "s.toml").read_text().replace("[0, 3, 4]", "[0, 4, 5]"))
    with pytest.raises(IncompleteError):
        sweep(Study.load(tmp_path / "s.toml"), directory, retry_failed=True)
    assert rounds == [True, False, False]


def test_collect_and_infer_tell_what_is_missing(tmp_path: Path, command: Callable[..., Any]) -> None:
    (tmp_path / "p.toml").write_text(HEAD % ("p", 0) + "[space]\nx = [1, 2, 3]\nguilty = [5, 6]\n")
    study = Study.load("p.toml")
    simulate(study, study.directory(), 1, 3)
    for words in (["collect", "p.toml"], ["infer", "p.toml"], ["collect", "p.toml", "--go-on"]):
        done = command(*words)
        assert done.returncode == 4, done.stderr
        assert "4 of 6 points have no row in results.h5: point 0 (guilty = 5, x = 1, id " in done.stderr
        assert "`hpcsim run runs/p` simulates them" in done.stderr and "Traceback" not in done.stderr
    assert not study.directory().report.exists()
    with pytest.raises(IncompleteError):
        study.infer(study.directory())
    assert command("run", "p.toml", "--on", "inline").returncode == 0
    assert command("collect", "p.toml").returncode == command("infer", "p.toml").returncode == 0


def test_nothing_but_failures_is_no_success(tmp_path: Path, command: Callable[..., Any]) -> None:
    study = Study("f", "toys:single", space={"x": [2], "seconds": [0, 0.001]}, fixed={"guilty": 2})
    for _ in range(2):
        with pytest.raises(AllFailedError, match=r"all 2 points failed; most often \(2 times\): ValueError: this point cannot"):
            study.run(on="inline", directory=tmp_path / "d")
    with Results(tmp_path / "d") as results:
        assert len(results.failures) == 2
    check_whole(study, StudyDirectory(tmp_path / "d"))
    (tmp_path / "f.toml").write_text(study.to_toml())
    for words in (["run", "f.toml", "--on", "inline"], ["collect", "f.toml"], ["infer", "f.toml"], ["run", "f.toml"]):
        done = command(*words)
        assert done.returncode == 5, done.stderr
        assert "all 2 points failed" in done.stderr and "--retry-failed" in done.stderr


def test_some_failures_are_success_with_words(tmp_path: Path, command: Callable[..., Any]) -> None:
    study = Study("f", "toys:single", space={"x": [1, 2]}, fixed={"guilty": 2})
    (tmp_path / "f.toml").write_text(study.to_toml())
    done = command("run", "f.toml", "--on", "inline")
    assert done.returncode == 0 and "2 points (1 ok, 1 failed)" in done.stdout
    # the point that succeeded leaves the design: what is left has failed
    (tmp_path / "f.toml").write_text(Study("f", "toys:single", space={"x": [2]}, fixed={"guilty": 2}).to_toml())
    with pytest.raises(AllFailedError):
        check_success(Study.load("f.toml"), study.directory())


def test_a_moved_study_is_still_whole(tmp_path: Path) -> None:
    study, directory = make(tmp_path, 5)
    sweep(study, directory, Target("inline"))
    copytree(directory.path, tmp_path / "elsewhere")
    check_whole(Study.load(tmp_path / "elsewhere"), StudyDirectory(tmp_path / "elsewhere"))


def test_a_worker_refuses_numbers_of_another_design(tmp_path: Path, command: Callable[..., Any]) -> None:
    study, directory = make(tmp_path, 6)
    prepare(study, directory)
    other, _ = make(tmp_path, 8)
    tasks = directory.path / "tasks"
    write_tasks(tasks, [(0, 3)], other.design.digest)
    for words in (["0", "--size", "3", "--design", other.design.digest], ["0", "--tasks", tasks]):
        done = command("task", directory.path, *words)
        assert done.returncode == 2, done.stderr
        assert "the study has changed since points 0 to 3 were planned" in done.stderr
    assert shard_files(directory.shards) == []
    write_tasks(tasks, [(0, 3)], study.design.digest)
    assert command("task", directory.path, "0", "--tasks", tasks).returncode == 0
    assert len(shard_files(directory.shards)) == 1


def test_a_directory_made_anew_gets_no_points_of_the_task_before(tmp_path: Path) -> None:
    study, directory = toy(seed=4), StudyDirectory(tmp_path / "d")
    prepare(study, directory)
    late = Runner(study, directory, 0, 12)
    directory.path.rename(tmp_path / "away")
    with pytest.raises(DirectoryError, match="was moved away"):
        late.run()
    assert not directory.path.exists()
    prepare(toy(seed=3), directory)
    late = Runner(study, StudyDirectory(tmp_path / "away"), 0, 12)
    late.directory = directory
    with pytest.raises(DirectoryError, match="another recipe"):
        late.run()
    assert shard_files(directory.shards) == []
