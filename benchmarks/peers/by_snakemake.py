"""Snakemake: https://snakemake.readthedocs.io, a rule whose output is a file a point, two cores."""

from __future__ import annotations

import sys
from pathlib import Path

from snakemake.cli import main

RULES = """
rule all:
    input: expand("results/{{i}}.txt", i=range({n}))
rule point:
    output: "results/{{i}}.txt"
    shell: "{python} {script} --one {{wildcards.i}} {n} {{output}}"
"""

if __name__ == "__main__":
    if sys.argv[1] == "--one":
        from work import points, work

        x = points(int(sys.argv[3]))[int(sys.argv[2])]
        Path(sys.argv[4]).write_text(f"{x!r} {work(x)!r}\n")
    else:
        folder = Path(sys.argv[2])
        (folder / "Snakefile").write_text(RULES.format(n=int(sys.argv[1]), python=sys.executable, script=__file__))
        main(["--cores", "2", "--directory", str(folder), "--snakefile", str(folder / "Snakefile"), "--quiet", "all"])
