"""Draws the pictures of docs/how-to/search.md from a run of hh_fit: ``python docs/figures/search.py [DIRECTORY]``.

Without the results of that study in the directory (runs/hh_fit), it is run there first.
"""

from __future__ import annotations

import sys
from pathlib import Path

import hpcsim
from hpcsim import plot
from hpcsim.collector.results import Results
from hpcsim.plotting import save

IMAGES = Path(__file__).parents[1] / "images"
SMALL = 80  # dots per inch


def traces_of_accepted(results: Results, folder: Path) -> Results:
    """The accepted points again, with their membrane potentials."""
    points = plot.accepted(results)
    study = hpcsim.Study(
        "hh_fit_traces",
        "brian2.cortical_hh",
        space={"zip": {name: points[name].tolist() for name in points}},
        fixed=results.study["fixed"],
        outputs={"keep": ["v"], "precision": "float32"},
    )
    return study.run("local", folder)


def main(directory: Path) -> None:
    """Draw them all."""
    if not (directory / "results.h5").exists():
        hpcsim.Study.load("hh_fit").run("local", directory)
    with hpcsim.open(directory) as results:
        drawn = {
            "objectives": plot.objectives(results).figure,
            "exploration": plot.exploration(results).figure,
            "convergence": plot.convergence(results),
            "parallel": plot.parallel_coordinates(results).figure,
        }
        with traces_of_accepted(results, directory.with_name("hh_fit_traces")) as again:
            drawn["traces"] = plot.traces(again, "v", highlight=plot.accepted(results).index[0]).figure
    for name, figure in drawn.items():
        save(figure, IMAGES / f"search_{name}.png", SMALL)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/hh_fit"))
