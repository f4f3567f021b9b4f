"""An inference method that says when it was called."""

from __future__ import annotations

from pathlib import Path

from hpcsim import Parameter
from hpcsim.inference.finding import Finding
from hpcsim.inference.method import method


@method("tests.counted", options=[Parameter("width", 1.0), Parameter("observations", ""), Parameter("log", "")])
def counted(results, options, directory, seed):
    """Count the points."""
    # a study's own code is imported for it alone, so that a list in this module would be another one
    with Path(options["log"]).open("a") as file:
        file.write(f"{options['width']}\n")
    if options["width"] < 0:
        raise ValueError("no such width")
    return Finding("tests.counted", "Points", {"points": len(results)})
