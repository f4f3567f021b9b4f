"""The machine that figures belong to."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

#: Packages whose versions matter for hpcsim's own figures.
_PACKAGES = ("numpy", "h5py", "pydantic", "dask")


def processor() -> str:
    """Name of the processor, with the widest vectors that it has."""
    name, flags = platform.processor() or platform.machine(), set()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return name
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            name = value.strip()
        if key.strip() == "flags":
            flags = set(value.split())
    vectors = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "no AVX2"
    return f"{name} ({vectors})"


def machine() -> dict[str, object]:
    """Processor, cores, load and versions, as they are now."""
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "versions": {"hpcsim": version("hpcsim"), **{name: version(name) for name in _PACKAGES}},
    }
