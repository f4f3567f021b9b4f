"""What a multi-objective search found, for people: the front, the compromise and its check, and how the search went."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.inference.finding import Finding
from hpcsim.inference.inputs import unit_of
from hpcsim.inference.search.objectives import Objective
from hpcsim.inference.search.pareto import compromise, front, hypervolume
from hpcsim.plotting import save, squared

if TYPE_CHECKING:
    from pandas import DataFrame

    from hpcsim.inference.search.search import Search


def report(search: Search, weights: np.ndarray, directory: Path) -> Finding:
    """Choose a compromise, simulate it again, and write tables and figures.

    Parameters
    ----------
    search : Search
        That has run.
    weights : ndarray, shape (objectives,)
        With the sum 1.
    directory : Path
        For the figures.

    Returns
    -------
    Finding
        Tables ``front`` (a row a point of the front of all that was simulated), ``choice``, ``objectives``,
        ``features``, ``generations`` and ``evaluations``.
    """
    names = [objective.aim.name for objective in search.objectives]
    evaluations = _evaluations(search)
    values = evaluations[names].to_numpy()
    on_front = front(values)
    chosen = int(on_front[compromise(values[on_front], weights)])
    theta = evaluations.loc[chosen, list(search.prior.names)].to_numpy(float)
    checked = search.check(theta)
    finding = Finding(
        "inference.nsga2",
        f"NSGA-II: {', '.join(search.prior.names)} for small {', '.join(names)}",
        tables={
            "choice": _choice(search, theta),
            "objectives": _objectives(search, values, chosen, checked),
            "front": evaluations.loc[on_front].assign(chosen=on_front == chosen).sort_values(names),
            "generations": _generations(search, names),
            "evaluations": evaluations,
        },
    )
    if checked is not None:
        finding.tables["features"] = _features(search.objectives, checked)
    _say(finding, search, values, on_front)
    _draw(finding, search, values, on_front, chosen, directory)
    return finding


def _evaluations(search: Search) -> DataFrame:
    """Everything that was simulated: generation, parameters and objectives."""
    import pandas

    theta = pandas.DataFrame(np.concatenate(search.theta), columns=list(search.prior.names))
    values = pandas.DataFrame(np.concatenate(search.values), columns=[objective.aim.name for objective in search.objectives])
    generation = np.repeat(np.arange(1, len(search.theta) + 1), [len(part) for part in search.theta])
    return theta.join(values).assign(generation=generation).rename_axis("number")


def _choice(search: Search, theta: np.ndarray) -> DataFrame:
    import pandas

    units = [search.results.units.get(name, "") for name in search.prior.names]
    columns = {"value": theta, "unit": units, "low": search.prior.low, "high": search.prior.high}
    return pandas.DataFrame(columns, index=pandas.Index(search.prior.names, name="parameter"))


def objective_unit(search: Search, objective: Objective) -> str:
    """Unit of a distance: that of its features, or its square, or none."""
    unit = unit_of(search.results, objective.columns[0])
    return {"absolute": unit, "squared": squared(unit)}.get(objective.aim.distance, "")


def _objectives(search: Search, values: np.ndarray, chosen: int, checked: DataFrame | None) -> DataFrame:
    """An objective a row: what it is, and how small it became."""
    import pandas

    first = search.values[0]
    columns = {
        "of": [objective.aim.of for objective in search.objectives],
        "distance": [objective.aim.distance for objective in search.objectives],
        "unit": [objective_unit(search, objective) for objective in search.objectives],
        "median of the first generation": np.nanmedian(first, axis=0) if np.isfinite(first).any() else np.nan,
        "least": np.nanmin(values, axis=0),
        "choice": values[chosen],
    }
    if checked is not None and len(checked):
        again = search.measured(checked)
        columns |= {"choice, other noise": again.mean(axis=0), "sd": again.std(axis=0)}
    return pandas.DataFrame(columns, index=pandas.Index([o.aim.name for o in search.objectives], name="objective"))


def _features(objectives: list[Objective], checked: DataFrame) -> DataFrame:
    """A feature a row: its target, and what the choice gives with other noise."""
    import pandas

    rows = {
        column: (target, checked[column].mean(), checked[column].std(ddof=0))
        for objective in objectives
        for column, target in zip(objective.columns, objective.target.tolist(), strict=True)
    }
    return pandas.DataFrame.from_dict(rows, orient="index", columns=["target", "choice", "sd"]).rename_axis("feature")


def _generations(search: Search, names: list[str]) -> DataFrame:
    """A generation a row: simulations so far, failures, the share of the objectives' box that is dominated, medians."""
    import pandas

    every = np.concatenate(search.values)
    # the box of the first generation, so that growth is progress; a box of all where nothing of it is there
    ideal, worst = np.nanmin(every, axis=0), np.nanmax(search.values[0] if len(search.alive[0]) else every, axis=0)
    rows, so_far = [], 0
    for number, (values, alive) in enumerate(zip(search.values, search.alive, strict=True), 1):
        so_far += len(values)
        known = np.concatenate(search.values[:number])
        rows.append(
            {
                "generation": number,
                "evaluations": so_far,
                "failed": int((~np.isfinite(values).all(axis=1)).sum()),
                "front": len(front(known)),
                "hypervolume": hypervolume(known[front(known)], ideal, worst),
                **{f"median {name}": np.median(alive[:, k]) if len(alive) else np.nan for k, name in enumerate(names)},
            }
        )
    return pandas.DataFrame(rows).set_index("generation")


def _say(finding: Finding, search: Search, values: np.ndarray, on_front: np.ndarray) -> None:
    """Metrics and notes."""
    failed = int((~np.isfinite(values).all(axis=1)).sum())
    volume = finding.tables["generations"]["hypervolume"]
    finding.metrics.update(
        {
            "evaluations": len(values),
            "failed": failed,
            "generations": len(search.values),
            "points on the front": len(on_front),
            "hypervolume, first generation": float(volume.iloc[0]),
            "hypervolume": float(volume.iloc[-1]),
            "choice": {str(name): float(value) for name, value in finding.tables["objectives"]["choice"].items()},
        }
    )
    finding.notes.append(
        f"{failed} of {len(values)} points failed or have features that are not finite: they are ranked behind all others."
    )
    if search.simulate is None:
        finding.notes.append("Nothing was simulated here: the front is that of the study's own points.")
    elif "features" in finding.tables:
        finding.notes.append(
            "The choice was lucky with its noise, like all of a front; its objectives with other noise are the ones to expect."
        )


def _draw(finding: Finding, search: Search, values: np.ndarray, on_front: np.ndarray, chosen: int, directory: Path) -> None:
    """Figures of the search, of the front and of features beside their targets."""
    from hpcsim.inference.search import plots as search_plots

    words = [(objective.aim.name, objective_unit(search, objective)) for objective in search.objectives]
    drawn = {"objectives over generations": ("generations", search_plots.generations(search.values, search.alive, words))}
    if len(words) > 1:
        drawn["front"] = ("front", search_plots.fronts(values, on_front, chosen, words))
    if "features" in finding.tables:
        panels = [_panel(search, objective) for objective in search.objectives if len(objective.columns) > 1]
        if panels:
            drawn["targets and choice"] = ("features", search_plots.targets(finding.tables["features"], panels))
    for name, (file, figure) in drawn.items():
        finding.figures[name] = save(figure, directory / f"{file}.png")


def _panel(search: Search, objective: Objective) -> tuple[str, str, str, str, tuple[str, ...]]:
    """Name and unit of a spectrum or another list of features, dimension and its unit, and its columns."""
    output = objective.aim.output
    dims = search.results.outputs[output].dims[1:]
    dim = str(dims[0]) if dims else ""
    units = search.results.units
    return output, units.get(output, ""), dim, units.get(dim, ""), objective.columns
