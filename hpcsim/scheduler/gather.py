"""Moves finished points from shards into the results, as the study wants them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hpcsim.scheduler.executor import Listener
from hpcsim.scheduler.provenance import describe
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.history import fingerprints, known_fingerprints, provenance
from hpcsim.study.study import Study


def gather(
    study: Study,
    directory: StudyDirectory,
    listener: Listener | None = None,
    *,
    final: bool = True,
    client: Any = None,
    wait: float = 10.0,
) -> None:
    """Move finished points from shards into the results, and say what was set aside; a Dask `client` checks shards.

    Another collector is waited for `wait` seconds.
    """
    if not directory.study.exists():
        # nothing has run here
        return
    from hpcsim.collector.arrange import Wanted
    from hpcsim.collector.collect import collect

    recipes, told, design = known_fingerprints(study, directory), _provenance(directory), study.design
    # rows of code that has changed since, and whose changes nobody accepted, are not those that this study wants
    whole = study.completeness if set(recipes) == set(fingerprints(study, directory)) else ""
    wanted = Wanted(whole, design.digest, len(design), design.ids)
    report = collect(directory.path, final=final, client=client, provenance=told, recipes=recipes, wanted=wanted, wait=wait)
    for item in (*report.damaged, *report.refused):
        (listener or Listener()).notify(f"set aside: {item}")


def _provenance(directory: StudyDirectory) -> dict[str, str]:
    return describe(directory.study.read_text(encoding="utf-8"), sys.argv, Path.cwd()) | provenance(directory)
