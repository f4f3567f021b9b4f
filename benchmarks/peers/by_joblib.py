"""joblib: https://joblib.readthedocs.io/en/stable/parallel.html; with ``memory``, each result is kept as its caching does it."""

from __future__ import annotations

import sys

from joblib import Memory, Parallel, delayed
from work import points, store, work

if __name__ == "__main__":
    n, folder = int(sys.argv[1]), sys.argv[2]
    function = Memory(f"{folder}/memory", verbose=0).cache(work) if "memory" in sys.argv[3:] else work
    x = points(n)
    store(folder, x, Parallel(n_jobs=2)(delayed(function)(value) for value in x))
