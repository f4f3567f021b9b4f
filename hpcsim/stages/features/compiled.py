"""Compilation of numerical kernels with numba, kept on disk between processes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from hpcsim.paths import cache_directory

_Kernel = TypeVar("_Kernel", bound=Callable[..., Any])


def compiled(kernel: _Kernel) -> _Kernel:
    """Compile a function with numba at its first call, and keep the machine code in the cache of hpcsim.

    The module of a kernel imports numba as soon as it is imported: import it where it is used. IEEE arithmetic is
    kept (no fast-math, division by zero as numpy does it), and the global interpreter lock is released.

    Parameters
    ----------
    kernel : callable
        What numba can compile; it may call other compiled functions of this folder.

    Returns
    -------
    callable
        The same function, compiled.
    """
    import numba
    from numba.core import config as found

    config: Any = found

    before = config.CACHE_DIR
    if not os.environ.get("NUMBA_CACHE_DIR"):
        config.CACHE_DIR = str(cache_directory() / "numba" / _sources())
    try:
        return cast(_Kernel, numba.njit(cache=True, nogil=True, error_model="numpy")(kernel))
    finally:
        config.CACHE_DIR = before


@cache
def _sources() -> str:
    """A hash of all kernels: numba alone would not see that a function in another file changed."""
    digest = hashlib.sha256()
    for name in ("compiled", "zero_phase", "spike_detection", "ephys_statistics"):
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return digest.hexdigest()[:16]
