"""What benchmarks share: what is counted, what is compared, and what stands on the page."""

from __future__ import annotations

import json
import math
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
#: Burns so many seconds of CPU.
BURN = "import time\nwhile time.process_time() < {seconds}: pass\n"


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def lean(source: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", source]


def test_what_a_command_leaves_behind_counts(tmp_path: Path):
    from harness.measure import measure

    burns = f"  if os.fork() == 0:\n    exec({BURN.format(seconds=0.3)!r})\n  os._exit(0)\n"
    orphan = f"import os\nif os.fork() == 0:\n  os.setsid()\n{burns}"
    assert measure(lean(orphan), tmp_path)["cpu"] >= 0.3


def test_a_command_that_fails_is_told_with_its_last_words(tmp_path: Path):
    from harness.measure import measure

    with pytest.raises(RuntimeError, match="no such luck"):
        measure(lean("raise SystemExit('no such luck')"), tmp_path)


def test_a_command_without_an_end_is_ended_with_its_children(tmp_path: Path):
    from harness.measure import measure

    sleeping = "import os, time\nos.fork()\ntime.sleep(600)"
    with pytest.raises(RuntimeError, match=r"longer than 0\.2 s"):
        measure(lean(sleeping), tmp_path, 0.2)


@pytest.mark.parametrize("k", [0.5, 1.0, 1.7])
def test_growth_without_the_start(k: float):
    from harness.rounds import growth

    found = [(n, 3 + 0.01 * n**k) for n in (100, 1000, 10_000)]
    assert growth(found) == pytest.approx(k, abs=1e-6)
    assert math.isnan(growth(found, spread=1e6))
    assert math.isnan(growth(found[:2]))


def stored_points(folder: Path, x: np.ndarray, y: np.ndarray) -> Path:
    np.concatenate([x, y]).tofile(folder / "results.f64")
    return folder


def test_a_point_that_is_missing_doubled_or_wrong_is_found(tmp_path: Path):
    from orchestration import stored

    x = np.arange(5) / 5
    y = 2 * x + 1
    assert stored(stored_points(tmp_path, x, y), 5) == ""
    # in the order in which they ended
    assert stored(stored_points(tmp_path, x[::-1], y[::-1]), 5) == ""
    assert "4 results of 5" in stored(stored_points(tmp_path, x[:4], y[:4]), 5)
    doubled = np.array([0, 0, 2, 3, 4]) / 5
    assert "other points" in stored(stored_points(tmp_path, doubled, 2 * doubled + 1), 5)
    assert "wrong values" in stored(stored_points(tmp_path, x, np.roll(y, 1)), 5)


def test_rows_that_are_missing_or_wrong_are_found(tmp_path: Path):
    import h5py
    from storage.rows import blocks
    from storing import table

    _, _, signals = next(blocks(5))
    for values, complaint in ((signals, ""), (signals[:4], "4 rows of 5"), (signals + 1e-6, "wrong values")):
        with h5py.File(tmp_path / "all.h5", "w") as file:
            file["signal"] = values
        assert table("all.h5")(tmp_path, 5) == complaint


def test_hpcsim_beside_a_peer_that_is_not_installed_and_one_that_fails(tmp_path: Path):
    from dataclasses import replace

    from harness.rounds import run
    from orchestration import entries, stored

    own = next(entry for entry in entries() if entry.name == "hpcsim, inline")
    (tmp_path / "by_nobody.py").write_text("raise SystemExit('it is broken')")
    (tmp_path / "by_half.py").write_text("open('out/results.f64', 'w').close()")
    broken = replace(own, name="broken", script=tmp_path / "by_nobody.py", own=False)
    half = replace(own, name="half", script=tmp_path / "by_half.py", own=False, check=stored)
    absent = replace(own, name="absent", requirements=("no-such-package>=1",), own=False)
    figures = run([own, broken, half, absent], [5], 1, alone=True, say=lambda text: None)
    assert list(figures.entries) == [own.name]
    assert figures.of(own.name, 5)[0] > 0
    assert "it is broken" in figures.left_out["broken, 5"]
    assert "0 results of 5" in figures.left_out["half, 5"]
    assert "no-such-package" in figures.left_out["absent"]


def test_an_environment_that_cannot_be_made_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from harness import environment

    monkeypatch.setenv("HPCSIM_CACHE", str(tmp_path))
    missing = str(tmp_path / "no_such_folder")
    with pytest.raises(environment.NotInstalledError, match="no_such_folder"):
        environment.python_of("peer", [missing])


def test_an_environment_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from harness import environment

    monkeypatch.setenv("HPCSIM_CACHE", str(tmp_path))
    commands: list[list[str]] = []

    def run(command: list[str]) -> str:
        commands.append(command)
        if "venv" in command:
            Path(command[-1]).mkdir(parents=True)
        return '{"joblib": "1.0"}'

    monkeypatch.setattr(environment, "_run", run)
    first = environment.python_of("joblib", ["joblib>=1"])
    assert len(commands) == 3
    assert environment.python_of("joblib", ["joblib>=1"]) == first
    assert first[1] == {"joblib": "1.0"}
    assert len(commands) == 3
    assert environment.python_of("joblib", ["joblib>=2"])[0] != first[0]


def test_a_ratio_that_fell_by_a_third_is_told():
    from harness.baseline import fallen

    committed = {"joblib, 10 points": 3.0, "dask, 10 points": 3.0}
    assert fallen({"joblib, 10 points": 2.1, "dask, 10 points": 9.0}, committed) == []
    (line,) = fallen({"joblib, 10 points": 1.9, "dask, 10 points": 3.0}, committed)
    assert "joblib, 10 points: 1.90" in line
    (line,) = fallen({"joblib, 10 points": 3.0}, committed)
    assert "dask, 10 points: not measured" in line


def test_the_short_version_has_a_committed_ratio_for_all_that_it_measures():
    from harness.baseline import committed

    wanted = {
        f"{name}, {size} points"
        for module in map(import_module, ("orchestration", "storing"))
        for name in module.SHORT
        for size in module.SHORT_SIZES
        if not name.startswith("hpcsim")
    }
    assert set(committed()) == wanted


def test_the_page_is_what_the_results_say():
    from harness.page import PAGE, RESULTS, page

    assert PAGE.read_text(encoding="utf-8") == page(), "write it again: python benchmarks page"
    for name in ("orchestration", "storing"):
        stored = json.loads((RESULTS / f"{name}.json").read_text())
        for entry in (*stored["figures"]["entries"], *stored["figures"]["left_out"]):
            # those that were left out at a size, with the size
            assert entry.rpartition(", ")[0 if entry[-1].isdigit() else 2] in PAGE.read_text(encoding="utf-8")


def test_the_page_says_where_hpcsim_is_behind_and_why():
    from harness.page import _behind
    from harness.rounds import Figures

    own, other = [{"cpu": 2.0, "peak": 1.0}], [{"cpu": 1.0, "peak": 1.0}]
    figures = Figures(
        [10], "hpcsim", {"hpcsim": {"10": own}, "quick": {"10": other}, "slow": {"10": [{"cpu": 3.0, "peak": 1.0}]}}
    )
    assert list(_behind(figures, {"quick": "it keeps nothing"})) == ["- **quick** takes less at 10 points: it keeps nothing."]
