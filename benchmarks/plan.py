"""Planning fifteen million points: wall time, CPU time and memory of ``hpcsim plan`` as a whole process.

Target: under 2 s and 200 MB. The named alternative, in the same run: listing the points with NumPy, which is what
sweeps that draw all their parameters first do.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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


def measure(name: str, line: list[str], folder: str) -> None:
    began = time.perf_counter()
    process = subprocess.Popen(line, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    assert status == 0, f"{name} failed"
    print(f"{name:32s} wall {wall:5.2f} s  CPU {usage.ru_utime + usage.ru_stime:5.2f} s  memory {usage.ru_maxrss / 1024:6.0f} MB")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for method in ("random", "sobol", "halton", "lhs"):
            for constraint in ("", "J_IE > J_EE"):
                path = Path(folder) / "prior.toml"
                path.write_text(STUDY.format(method=method, points=POINTS, constraint=constraint))
                name = f"hpcsim plan, {method} {'constrained' if constraint else ''}"
                measure(name, [sys.executable, "-m", "hpcsim", "plan", str(path)], folder)
        measure("numpy, all points listed", [sys.executable, "-c", LISTING], folder)


if __name__ == "__main__":
    main()
