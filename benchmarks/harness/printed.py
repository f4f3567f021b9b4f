"""Scripts that compare in one process and print what they found: run under the same measure, kept as they printed it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from harness.measure import measure

_FOLDER = Path(__file__).parents[1]
#: Scripts, what the page calls them, and their arguments.
SCRIPTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "hodgkin_huxley": ("Hodgkin-Huxley cells: batches, and a process a point as published", ()),
    "ephys": ("Statistics of a voltage trace: the compiled pass, eFEL, numpy and scipy", ()),
    "kernels": ("Kernels of LFP and dipole: hpcsim and LFPykernels", ()),
    "ball_and_sticks": ("A multicompartment network: hpcsim and LFPy.Network", ()),
    "sweep": ("Eight NEST networks: hpcsim run, one subprocess after the other, and the same on all cores", ()),
    "nest_input": ("NEST networks: neurons with a generator's input, and neurons that draw their own", ()),
    "plan": ("Planning 15 million points", ()),
}


def run_printed(name: str) -> dict[str, Any]:
    """Run a script; what it printed, and the CPU time and the memory of all of its processes.

    Raises
    ------
    RuntimeError
        If it fails, with the end of what it printed.
    """
    script = _FOLDER / f"{name}.py"
    with tempfile.TemporaryDirectory(prefix="bench-") as made:
        folder = Path(made).resolve()
        found = measure([sys.executable, str(script), *SCRIPTS[name][1]], folder, PYTHONPATH=str(_FOLDER.parent))
        printed = (folder / "printed.log").read_text(encoding="utf-8", errors="replace")
    return {"cpu": round(found["cpu"], 1), "peak": round(found["peak"]), "printed": printed.strip().splitlines()}
