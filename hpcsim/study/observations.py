"""What the inference of a study needs from elsewhere: methods that are installed, and public tables."""

from __future__ import annotations

from hpcsim.study.checked import OBSERVATIONS
from hpcsim.study.study import Study

#: How the option of a method names a public table.
PUBLIC = "data:"


def find_observations(study: Study) -> None:
    """Look whether what the inference needs is there, methods and public tables: a sweep may take long.

    Raises
    ------
    PluginError
        If a method is not installed; the extra is named.
    ResultsError
        If a table is not there and cannot be fetched.
    """
    from hpcsim.data.public import fetch

    sources = [str(bound.options.get(OBSERVATIONS, "")) for bound in study.methods]
    for bound in study.methods:
        bound.method.check_installed()
    for source in [*sources, study.search.observations if study.search else ""]:
        if source.startswith(PUBLIC):
            fetch(source.removeprefix(PUBLIC))
