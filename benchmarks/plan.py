"""Planning fifteen million points: wall time, CPU time and memory of ``hpcsim plan`` as a whole process.

Target: under 2 s and 200 MB. The named alternative, in the same run: listing the points with NumPy, which is what
sweeps that draw all their parameters first do.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from harness.machine import processor
from harness.measure import measure

POINTS = 15_000_000
STUDY = """
[study]
name = "prior"
model = "nest.hagen_lif"
[space]
J_EE = {{ uniform = [0.5, 4] }}
J_IE = {{ uniform = [0.5, 4] }}
J_EI = {{ uniform = [-40, -1] }}
J_II = {{ uniform = [-40, -1] }}
J_ext = {{ loguniform = ["10 pA", "0.05 nA"] }}
tau_syn_ex_E = {{ truncnormal = [0.5, 0.2, 0.1, 2] }}
[design]
method = "{method}"
n = {points}
constraint = "{constraint}"
[outputs]
keep = ["rate"]
"""
LISTING = f"import numpy as np; points = np.random.default_rng(0).uniform(size=({POINTS}, 6)); print(points[-1])"


def report(name: str, line: list[str], folder: Path) -> None:
    found = measure(line, folder)
    print(f"{name:32s} wall {found['wall']:5.2f} s  CPU {found['cpu']:5.2f} s  memory {found['peak']:6.0f} MB")


def main() -> None:
    print(processor())
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for method in ("random", "sobol", "halton", "lhs"):
            for constraint in ("", "J_IE > J_EE"):
                path = folder / "prior.toml"
                path.write_text(STUDY.format(method=method, points=POINTS, constraint=constraint))
                name = f"hpcsim plan, {method} {'constrained' if constraint else ''}"
                report(name, [sys.executable, "-m", "hpcsim", "plan", str(path)], folder)
        report("numpy, all points listed", [sys.executable, "-c", LISTING], folder)


if __name__ == "__main__":
    main()
