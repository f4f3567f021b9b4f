"""How an inference method has points simulated: as a study of the same model, in a folder of the method's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpcsim.collector.results import Results
from hpcsim.inference.inputs import Simulate
from hpcsim.scheduler.sweep import sweep
from hpcsim.scheduler.target import Target
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.study import Study


def simulator(
    study: Study, folder: Path, target: Target, *, retry_failed: bool = False, accept_changes: bool = False
) -> Simulate:
    """What a method calls to have points of a study's model simulated.

    Parameters
    ----------
    study : Study
    folder : Path
        Gets a study's directory for each name that the method gives.
    target : Target
        Where they are simulated.
    retry_failed, accept_changes : bool
        As of :func:`hpcsim.scheduler.sweep.sweep`.
    """

    def simulate(tables: Mapping[str, Any], name: str) -> Results:
        made = Study.of_tables(tables, name, study.folder, study.model, study.places)
        directory = StudyDirectory(folder / name)
        # what a few points without any success mean is the method's to say; those that failed have been told to a sampler
        again = retry_failed and made.search is None
        sweep(made, directory, target, retry_failed=again, accept_changes=accept_changes)
        return Results(directory.results)

    return simulate
