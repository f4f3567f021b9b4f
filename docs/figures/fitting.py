"""Draws the picture of docs/tutorials/fitting.md from a simulation: ``python docs/figures/fitting.py [DIRECTORY]``."""

from __future__ import annotations

import sys
from pathlib import Path

import hpcsim
from hpcsim import plot

IMAGES = Path(__file__).parents[1] / "images"


def main(directory: Path) -> None:
    """BAC firing of the default neuron."""
    study = hpcsim.Study("bac", "neuron.l5pc_segments", fixed={"protocol": "BAC"})
    with study.run("local", directory) as results:
        plot.animate(results, IMAGES / "fitting_bac.gif", start=294.0, stop=344.0, every=2, dpi=60)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/bac"))
