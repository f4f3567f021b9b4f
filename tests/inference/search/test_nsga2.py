"""NSGA-II: the known front of a toy problem, determinism, resume, failures, and a real study."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from pymoo.indicators.igd import IGD

import hpcsim
from hpcsim.collector.results import Results
from hpcsim.errors import AllFailedError, ResultsError, StudyError
from hpcsim.inference.finding import Finding
from hpcsim.inference.search.nsga2 import nsga2
from hpcsim.scheduler.target import Target
from hpcsim.workflow.simulator import simulator

OBJECTIVES = {"one": {"of": "f.one", "target": 0.0}, "two": {"of": "f.two", "target": 0.0}}
#: Points of the front of ZDT1.
FRONT = np.column_stack([np.linspace(0, 1, 101), 1 - np.sqrt(np.linspace(0, 1, 101))])
SIZE = {"population": 16, "generations": 12}


def _study(n: int = 16, fixed=None, **more) -> hpcsim.Study:
    space = {name: {"uniform": [0, 1]} for name in ("x0", "x1", "x2", "x3")}
    design = {"method": "random", "n": n, **more}
    return hpcsim.Study("zdt", "fit_toys:front", space=space, design=design, fixed=fixed, resources={"task_size": 8}, seed=3)


def _results(study: hpcsim.Study) -> Results:
    try:
        return study.run("inline")
    except AllFailedError:
        return Results(study.directory().results)


def _searched(folder: Path, study: hpcsim.Study, seed: int = 1, simulate=None, **options) -> Finding:
    """Run a study in the present folder's ``runs/zdt`` and search, in `folder`."""
    with _results(study) as results:
        simulate = simulate or simulator(study, folder / "simulated", Target("inline"))
        return nsga2(results, folder, seed=seed, simulate=simulate, objectives=OBJECTIVES, **{"checks": 0, **SIZE, **options})


def _ids() -> Counter[str]:
    return Counter(Path("simulated.txt").read_text().split())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A search to its end: the finding, the folder, and how often each point was simulated."""
    place = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.syspath_prepend(str(Path(__file__).parents[2]))
        # of twelve seeds, ten come within 0.05 of the front
        found = _searched(place / "found", _study(24), seed=5, checks=3, generations=25, population=24)
        return found, place, _ids()


def test_it_finds_the_known_front(whole):
    found, _, ids = whole
    front = found.tables["front"][["one", "two"]].to_numpy()
    # random points are 0.5 away
    assert IGD(FRONT)(front) < 0.05
    every = found.tables["evaluations"]
    # the sampler draws one point beside those that it knows
    assert len(every) == found.metrics["evaluations"] == 25 * 24 + 1
    assert IGD(FRONT)(every.loc[every["generation"] == 1, ["one", "two"]].to_numpy()) > 0.3
    grown = found.tables["generations"]["hypervolume"]
    assert (np.diff(grown) >= -1e-12).all() and grown.iloc[-1] > grown.iloc[0] + 0.2
    # the study's own points were used, and nothing was simulated twice but the choice, with other noise
    assert sum(ids.values()) == 25 * 24 + 1 + 3 and len(ids) == 25 * 24 + 1 + 2


def test_the_finding_is_on_the_disk(whole):
    _, place, _ = whole
    again = Finding.load(place / "found")
    assert set(again.tables) == {"choice", "objectives", "front", "generations", "evaluations", "features"}
    assert again.tables["front"]["chosen"].sum() == 1
    chosen = again.tables["front"].query("chosen")
    np.testing.assert_allclose(chosen[["x0", "x1", "x2", "x3"]].to_numpy()[0], again.tables["choice"]["value"])
    np.testing.assert_allclose(chosen[["one", "two"]].to_numpy()[0], again.tables["objectives"]["choice"])
    # without noise, a simulation again gives the same
    np.testing.assert_allclose(again.tables["objectives"]["choice, other noise"], again.tables["objectives"]["choice"])
    assert set(again.figures) == {"front", "objectives over generations"}
    assert all(path.exists() for path in again.figures.values())
    # equal pseudo-weights: neither end of the front
    assert 0.05 < again.metrics["choice"]["one"] < 0.95
    [search] = (place / "found" / "simulated").glob("search_*")
    with hpcsim.open(search) as results:
        assert len(results) == 24 * 24 + 1


def test_the_same_seed_gives_the_same_and_another_does_not(tmp_path):
    first, second, other = (
        _searched(tmp_path / name, _study(), seed, generations=4) for name, seed in (("1", 1), ("2", 1), ("3", 2))
    )
    assert first.tables["evaluations"].equals(second.tables["evaluations"])
    assert first.tables["evaluations"][:16].equals(other.tables["evaluations"][:16])
    assert not first.tables["evaluations"].equals(other.tables["evaluations"])
    for name in ("summary.json", "front.csv", "front.png", "generations.png"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_after_a_kill_nothing_is_simulated_twice(tmp_path):
    study, folder = _study(), tmp_path / "found"
    whole = _searched(tmp_path / "other", study, generations=5)
    Path("simulated.txt").unlink()
    real = simulator(study, folder / "simulated", Target("inline"))

    def killed(tables, name):
        # in the middle of the third generation
        real({**tables, "sampler": {**tables["sampler"], "evaluations": 1 + 16 + 8}}, name).close()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _searched(folder, study, simulate=killed, generations=5)
    assert sum(_ids().values()) == 1 + 16 + 8
    found = _searched(folder, study, generations=5)
    ids = _ids()
    assert len(ids) == sum(ids.values()) == 4 * 16 + 1
    assert found.tables["evaluations"].equals(whole.tables["evaluations"])
    _searched(folder, study, generations=5)
    assert _ids() == ids
    # more generations go on from there, and fewer are the beginning of what is there
    longer = _searched(folder, study, generations=6)
    assert len(_ids()) == 5 * 16 + 1 and longer.tables["evaluations"][:81].equals(whole.tables["evaluations"])
    assert _searched(folder, study, generations=5).tables["evaluations"].equals(whole.tables["evaluations"])
    # another search is another folder
    _searched(folder, study, generations=2, population=8)
    assert len(list((folder / "simulated").glob("search_*"))) == 2 and sum(_ids().values()) == 5 * 16 + 1 + 9


def test_points_that_fail_are_behind_all_others(tmp_path):
    found = _searched(tmp_path / "found", _study(n=40, fixed={"hole": 0.3}), generations=8)
    every = found.tables["evaluations"]
    failed = every["one"].isna()
    assert failed.sum() == found.metrics["failed"] > 2 and (every.loc[failed, "x0"] > 0.3).all()
    assert (every.loc[~failed, "x0"] <= 0.3).all() and not found.tables["front"]["one"].isna().any()
    # the hole is learned: fewer fail in the end
    share = every.assign(failed=failed).groupby("generation")["failed"].mean()
    assert share.iloc[-3:].mean() < 0.5
    assert f"{failed.sum()} of {len(every)} points failed" in found.notes[0]


def test_where_nothing_succeeds_it_says_so(tmp_path):
    with pytest.raises(ResultsError, match="none of 32 points gave finite features"):
        _searched(tmp_path / "found", _study(fixed={"hole": -1.0}), generations=2)


def test_what_the_constraint_forbids_is_not_simulated(tmp_path):
    study = _study(n=8, constraint="x0 >= x1")
    found = _searched(tmp_path / "found", study, generations=6)
    every = found.tables["evaluations"]
    assert (every["x0"] >= every["x1"]).all() and not every["one"].isna().any()
    # eight points of the study, and eight more draws
    assert len(every) == 6 * 16 == sum(_ids().values())


def test_what_is_not_searched_stays_as_the_study_has_it(tmp_path):
    """A parameter of one value is that in all that is simulated; one of several is told before anything is."""
    space = {"x0": {"uniform": [0, 1]}, "x1": {"uniform": [0, 1]}, "x2": [0.25], "x3": {"values": [0.5]}}
    options = {"objectives": OBJECTIVES, "population": 8, "generations": 3, "checks": 2}
    design = {"method": "random", "n": 8}
    study = hpcsim.Study("zdt", "fit_toys:front", space=space, design=design, seed=3)
    with study.run("inline") as results:
        simulate = simulator(study, tmp_path / "simulated", Target("inline"))
        found = nsga2(results, tmp_path, seed=1, simulate=simulate, **options)
    every = found.tables["evaluations"]
    rest = 1 + 3 * (every["x1"] + 0.25 + 0.5) / 3
    assert len(every) == 8 + 1 + 16
    np.testing.assert_allclose(every["two"], rest * (1 - np.sqrt(every["x0"] / rest)))
    np.testing.assert_allclose(found.tables["objectives"]["choice, other noise"], found.tables["objectives"]["choice"])

    with pytest.raises(StudyError, match=r"space\.x2: has several values, and a search goes between bounds"):
        several = {**space, "x2": [0.25, 0.5]}
        inference = [{"use": "inference.nsga2", **options}]
        hpcsim.Study("several", "fit_toys:front", space=several, design=design, inference=inference).run("inline")
    assert not Path("runs/several").exists()


def test_it_begins_with_the_best(tmp_path):
    study = _study(n=100)
    first = _searched(tmp_path / "best", study, generations=1)
    assert first.metrics["evaluations"] == 16
    with hpcsim.open("runs/zdt") as results:
        every = results.features(["f"])
    assert first.tables["evaluations"]["two"].median() < every["f.two"].median()
    assert sum(_ids().values()) == 100


def test_without_a_simulator_the_front_is_that_of_the_study(tmp_path):
    with _study(n=30).run("inline") as results:
        found = nsga2(results, tmp_path / "found", objectives=OBJECTIVES, population=100)
    assert found.metrics["evaluations"] == 30 and found.metrics["generations"] == 1
    assert "Nothing was simulated here" in found.notes[-1]


def test_the_choice_is_judged_with_other_noise(tmp_path):
    """The least of noisy objectives is too good to be true."""
    found = _searched(tmp_path / "found", _study(fixed={"noise": 0.3}), generations=10, checks=20)
    table = found.tables["objectives"]
    assert (table["sd"] > 0).all()
    assert table["choice"].sum() < table["choice, other noise"].sum()
    assert len(found.tables["features"]) == 2
    once = _searched(tmp_path / "once", _study(fixed={"noise": 0.3}), generations=1, checks=1).tables["objectives"]
    assert (abs(once["choice"] - once["choice, other noise"]) > 1e-3).all()


def test_an_observation_is_met(tmp_path):
    """The target is that of a simulation: its parameters are found again."""
    truth = {"x0": 0.4, "x1": 0.2, "x2": 0.2, "x3": 0.2}
    rest = 1 + 3 * 0.2
    (tmp_path / "seen.csv").write_text(f"name,f.one,two,day\na,{0.4},{rest * (1 - np.sqrt(0.4 / rest))},1\nb,9,9,2\n")
    objectives = {"one": "f.one", "two": {"of": "f.two", "distance": "squared"}}
    options = {"observations": str(tmp_path / "seen.csv"), "where": "day == 1", "objectives": objectives}
    with _study().run("inline") as results:
        simulate = simulator(_study(), tmp_path / "found" / "simulated", Target("inline"))
        found = nsga2(results, tmp_path / "found", seed=1, simulate=simulate, population=16, generations=12, **options)
        with pytest.raises(ResultsError, match=r"found 2 observations \(a, b\), expected one; choose it with where"):
            nsga2(results, tmp_path / "no", **{**options, "where": ""})
    assert found.metrics["choice"]["one"] < 0.05 and found.metrics["choice"]["two"] < 0.01
    assert found.tables["choice"]["value"]["x0"] == pytest.approx(truth["x0"], abs=0.05)
    assert found.tables["features"]["target"].tolist() == pytest.approx([0.4, 0.8])


def test_what_makes_no_sense_is_told(tmp_path):
    with _study().run("inline") as results:
        with pytest.raises(StudyError, match=r"weights: found \[1.0\], expected 2 numbers"):
            nsga2(results, tmp_path / "a", objectives=OBJECTIVES, weights=[1.0])
        with pytest.raises(ResultsError, match=r'no output "g\.one"; did you mean "f\.one"'):
            nsga2(results, tmp_path / "a", objectives={"g": "g.one"})
    space = {"x0": {"normal": [0.5, 0.01]}, "x1": {"uniform": [0, 1]}}
    study = hpcsim.Study("n", "fit_toys:front", space=space, design={"method": "random", "n": 4})
    with study.run("inline") as results, pytest.raises(ResultsError, match="x0 has no bounds to search between; use uniform"):
        nsga2(results, tmp_path / "b", objectives=OBJECTIVES)
