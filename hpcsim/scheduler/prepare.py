"""Makes a study's directory ready for tasks."""

from __future__ import annotations

from hpcsim.collector.intake import check_recipe
from hpcsim.errors import calling
from hpcsim.models.model import Context
from hpcsim.paths import cache_directory
from hpcsim.scheduler.executor import Listener
from hpcsim.scheduler.plan import complete
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.history import known_fingerprints, open_directory
from hpcsim.study.study import Study


def prepare(
    study: Study,
    directory: StudyDirectory,
    *,
    accept_changes: bool = False,
    listener: Listener | None = None,
) -> None:
    """Make a directory ready for tasks: write the study down, compile what they share; the studies that it needs are there.

    Raises
    ------
    DirectoryError
        If the directory holds another study, or points that other code made.
    """
    listener = listener or Listener()
    for sentence in open_directory(study, directory, accept_changes=accept_changes):
        listener.notify(sentence)
    if directory.results.exists():
        check_recipe(directory.results, known_fingerprints(study, directory))
    # a search that is complete may go on
    if study.search is None and complete(study, directory):
        return
    compile_shared(study, Context(cache=cache_directory(), layout=study.all_outputs))


def compile_shared(study: Study, context: Context) -> None:
    """What model and stages want to have made once before any point.

    Raises
    ------
    PluginError
        If one of them raises anything else than an error of hpcsim's.
    """
    if study.model.prepare:
        with calling(f"prepare of {study.model.name}"):
            study.model.prepare(context)
    for bound in study.stages:
        if bound.stage.prepare:
            with calling(f"prepare of {bound.stage.name}"):
                bound.stage.prepare(bound.options, context)
