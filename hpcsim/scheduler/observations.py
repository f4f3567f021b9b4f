"""Where observations come from: points of another study, a public table, or a file beside the study."""

from __future__ import annotations

import os
from pathlib import Path

from hpcsim.errors import ResultsError
from hpcsim.files import regular, write_text
from hpcsim.samplers.table import OBSERVED
from hpcsim.scheduler.observed_study import observe
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.observations import PUBLIC
from hpcsim.study.study import Study
from hpcsim.study_reference import StudyReference


def observations_of(study: Study, directory: StudyDirectory, source: str, path: Path) -> Path:
    """The file of observations that a study names.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
        Where it runs; another study runs beside it.
    source : str
        ``study:NAME``, ``data:NAME`` or a file.
    path : Path
        The CSV file to write, where they are in no file yet.

    Returns
    -------
    Path
        That one, or the file that is there.

    Raises
    ------
    ResultsError
        If the other study has no results, or there is no such public table.
    """
    if reference := StudyReference.parse(source):
        return observe(study, directory, reference.name, path)
    if source.startswith(PUBLIC):
        from hpcsim.recordings.observations import public_observations

        return public_observations(source.removeprefix(PUBLIC), path)
    return beside(study, source)


def beside(study: Study, source: str) -> Path:
    """A file beside the study, or in the current folder."""
    file = study.folder / source
    return file if file.is_file() else Path(source)


def store_observation(study: Study, directory: StudyDirectory) -> None:
    """Put the observation of a study's search into its directory, where the search reads it.

    A directory that was moved away from its sources goes on with what it holds.

    Raises
    ------
    ResultsError
        If there is no such table.
    """
    assert study.search is not None
    source, path = study.search.observations, directory.path / OBSERVED
    if not source or (path.exists() and not os.access(directory.path, os.W_OK)):
        return
    file = observations_of(study, directory, source, path)
    if file == path:
        return
    if not file.is_file():
        if path.exists():
            return
        raise ResultsError(f"sampler.observations: there is no file {file}")
    for original, copy in ((file, path), (file.with_suffix(".json"), path.with_suffix(".json"))):
        if original.is_file():
            write_text(copy, regular(original).read_text(encoding="utf-8-sig"))
