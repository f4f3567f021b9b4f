"""The shipped searches of layer 5 pyramidal neurons, small: they get nearer, and what they accept is accepted again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hpcsim
from hpcsim.errors import StudyError
from hpcsim.models.neuron.l5pc.model import l5pc
from hpcsim.models.neuron.l5pc.parameters import FREE, SEED
from hpcsim.samplers.objectives import scores

PARAMS = Path(hpcsim.__file__).parents[1] / "params"


@pytest.mark.parametrize("name", ["l5pc_fit", "l5pc_moea", "l5pc_walk"])
def test_all_35_between_the_published_bounds(name: str):
    study = hpcsim.Study.load(name)
    assert {v.name: (v.low, v.high) for v in study.search.plan.problem.variables} == {p.name: p.bounds for p in FREE}
    assert set(study.search.plan.problem.cutoffs.values()) == {3.2}
    hpcsim.Study.load(name, "ci")


def test_diversity_goes_on_from_the_fit():
    fit, diversity = hpcsim.Study.load("l5pc_fit"), hpcsim.Study.load("l5pc_fit", "diversity")
    assert (fit.search.plan.plugin.name, diversity.search.plan.plugin.name) == ("cma_es", "nsga2")
    assert diversity.search.known == f"runs/{fit.name}" and diversity.name != fit.name
    assert fit.space.sampled == diversity.space.sampled and fit.search.objectives == diversity.search.objectives


def test_the_default_neuron_is_near_to_where_its_search_began():
    """Closer than ten first steps in each parameter, and another one."""
    seed = hpcsim.Study.load("l5pc_fit", "seed")
    plan, budget = seed.search.plan, seed.search.budget
    assert (plan.plugin.name, plan.seed, plan.options["sigma"], budget.evaluations) == ("cma_es", 1, 0.008, 101)
    [start] = plan.start
    low, high = (np.array([variable[end] for variable in plan.problem.described()["variables"]]) for end in (1, 2))
    ends = [np.array([one[name] for name in plan.problem.names]) for one in (start, SEED)]
    step = np.abs(ends[1] - ends[0]) / (high - low)
    assert 0 < step.max() < 10 * plan.options["sigma"] and (step > 0).sum() > 30


def test_a_walk_begins_at_the_default_neuron_and_needs_cutoffs(tmp_path: Path):
    """The one of a preset, where there is one; the directory holds the values, and not the word."""
    study = hpcsim.Study.load("l5pc_walk")
    [start] = study.search.plan.start
    assert start == {parameter.name: parameter.default for parameter in FREE}
    (tmp_path / "again.toml").write_text(study.to_toml())
    assert hpcsim.Study.load(tmp_path / "again.toml").search.plan.described() == study.search.plan.described()
    text = (PARAMS / "l5pc_walk.toml").read_text()

    def changed(old: str, new: str) -> hpcsim.Study:
        assert old in text
        (tmp_path / "changed.toml").write_text(text.replace(old, new))
        return hpcsim.Study.load(tmp_path / "changed.toml", "ci")

    [start] = changed('model = "neuron.l5pc"', 'model = "neuron.l5pc"\npreset = "isf_89_C2"').search.plan.start
    assert start["apical_scale"] == l5pc.presets["isf_89_C2"]["apical_scale"] == 1.69117
    cutoffs = text[text.index("\n[sampler.cutoffs]") : text.index("[scales.ci.sampler]")]
    with pytest.raises(StudyError, match='a walk without would accept every point; give cutoffs, or write accept = "all"'):
        changed(cutoffs, "")
    text = text.replace(cutoffs, "")
    changed("walkers = 4", 'accept = "all"')
    with pytest.raises(StudyError, match=r'sampler.start: found .default., expected .* or "defaults"'):
        changed('start = "defaults"', 'start = "default"')


def searched(name: str, folder: Path) -> tuple[Any, Any, np.ndarray]:
    """A study at its smallest, its results, and the objectives of its points."""
    study = hpcsim.Study.load(name, "ci")
    results = study.run("local", folder, workers=2)
    return study, results, scores(study.search.objectives, results.table, np.arange(len(results)))


def check_accepted(study: Any, results: Any, accepted: np.ndarray, folder: Path) -> None:
    """Simulated again, from their values alone and to their end, all are within all cutoffs, with the same objectives."""
    problem = study.search.plan.problem
    values = {name: [float(results.table.array(name)[row]) for row in accepted] for name in problem.names}
    again = hpcsim.Study("again", "neuron.l5pc", space={"zip": values}, stages=[{"use": "features.objectives"}], seed=2).run(
        "local", folder, workers=2
    )
    found = scores(study.search.objectives, again.table, np.arange(len(again)))
    assert problem.accepted(found).all()
    # the two list them in another order
    first = scores(study.search.objectives, results.table, accepted)
    assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, first.tolist()))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["l5pc_fit", "l5pc_moea"])
def test_a_fit_gets_nearer(tmp_path: Path, name: str):
    """The best of the largest objectives falls, in the order of suggestion, and the accepted ones are none by mistake."""
    study, results, rows = searched(name, tmp_path / "fit")
    best = np.minimum.accumulate(np.where(np.isfinite(rows).all(axis=1), rows.max(axis=1), np.inf))
    assert best[0] > 20 > best[-1]
    accepted = np.flatnonzero(study.search.plan.problem.accepted(rows))
    if name == "l5pc_fit":
        assert len(accepted) >= 2 and len(rows) < 24
        check_accepted(study, results, accepted, tmp_path / "again")


@pytest.mark.slow
def test_a_walk_accepts_nothing_by_mistake(tmp_path: Path):
    """It begins with its seed, rejects some, moves on from what it accepted, and never further than a step."""
    study, results, rows = searched("l5pc_walk", tmp_path / "walk")
    problem = study.search.plan.problem
    accepted = problem.accepted(rows)
    assert len(results) == 12 and accepted[0] and 1 < accepted.sum() < 12
    places = problem.position(np.stack([results.table.array(name) for name in problem.names], axis=1))
    for number in range(1, len(places)):
        assert min(np.linalg.norm(places[number] - places[other]) for other in np.flatnonzero(accepted[:number])) <= 0.02 + 1e-9
    check_accepted(study, results, np.flatnonzero(accepted), tmp_path / "again")
