"""A point as a NIX file, which Neo, Elephant and its viewers open."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from hpcsim.collector.results import Results
from hpcsim.errors import PluginError
from hpcsim.files import publish
from hpcsim.plugin import not_installed


def write_nix(results: Results, rows: np.ndarray, path: Path) -> list[Path]:
    """Write the block of :meth:`hpcsim.collector.results.Results.to_neo` of each point as a file named after its id.

    ``neo.io.NixIO(file, "ro").read_block()`` reads it back.

    Parameters
    ----------
    results : Results
    rows : ndarray of int
    path : Path
        The folder; it is made.

    Returns
    -------
    list of Path

    Raises
    ------
    PluginError
        If neo or nixio is not installed.
    ResultsError
        If nothing was recorded over time.
    """
    try:
        import nixio  # noqa: F401
        from neo.io import NixIO
    except ModuleNotFoundError as error:
        raise PluginError(not_installed("a file for Neo", error.name or "nixio", "export")) from None
    path.mkdir(parents=True, exist_ok=True)
    written = []
    for row in rows.tolist():
        block = results.to_neo(row)
        target = path / f"{block.name}.nix"
        # NixIO tells the format by the ending, and makes the file itself
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=path) as folder:
            whole = Path(folder, target.name)
            with NixIO(str(whole), "ow") as io:
                io.write_block(block)
            publish(whole, target)
        written.append(target)
    return written
