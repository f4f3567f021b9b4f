"""executorlib: https://executorlib.readthedocs.io, workers that stay (``block_allocation``)."""

from __future__ import annotations

import sys

from executorlib import SingleNodeExecutor
from work import points, store, work

if __name__ == "__main__":
    n, folder = int(sys.argv[1]), sys.argv[2]
    x = points(n)
    with SingleNodeExecutor(max_workers=2, block_allocation=True) as executor:
        store(folder, x, [future.result() for future in [executor.submit(work, value) for value in x]])
