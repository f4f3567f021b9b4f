"""The study that users have: the value, and with it run and infer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpcsim.study import study as value
from hpcsim.study.directory import StudyDirectory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpcsim.collector.results import Results
    from hpcsim.inference.finding import Finding
    from hpcsim.scheduler.executor import Listener
    from hpcsim.scheduler.site.site import Overrides
    from hpcsim.scheduler.state.check import CheckReport
    from hpcsim.scheduler.target import Target


class Study(value.Study):
    """Model, design, stages, outputs to keep and seed.

    Parameters
    ----------
    name : str
        Also the name of its directory.
    model : str or Model
        A built-in name, an entry point of the group ``hpcsim.models``, ``package.module:name``, or a model. A module of the
        user's own is looked for beside the study's file, then in the current folder.
    space, fixed, design, outputs, resources, sampler : mapping
        As the tables of a study file.
    stages, inference : iterable of mapping
        As the tables of a study file.
    seed, replicates, preset, description
        As in ``[study]``.

    Raises
    ------
    StudyError
        With every mistake at once.

    Examples
    --------
    >>> import hpcsim
    >>> study = hpcsim.Study("rates", "nest.hagen_lif", space={"J_ext": {"linspace": [26, 32, 50]}})
    >>> len(study.design), study.design.point(0)["J_ext"]
    (50, 26.0)
    """

    def run(
        self,
        on: str | Target = "local",
        directory: str | Path | None = None,
        *,
        workers: int | None = None,
        site: str | Path = "",
        scheduler: str = "",
        overrides: Mapping[str, Any] | Overrides | None = None,
        retry_failed: bool = False,
        accept_changes: bool = False,
        infer: bool = True,
        listener: Listener | None = None,
    ) -> Results:
        """Run what is not finished yet, collect it, and infer where points, methods or observations are new.

        Parameters
        ----------
        on : str or Target
            Name of the executor: ``inline``, ``local``, ``dask`` or ``slurm``; or a target, which says the next four as well.
        directory : path, optional
            ``runs/<name>`` by default.
        workers : int, optional
            Tasks side by side; one a core by default.
        site : str or path
            For `slurm` and `dask`: the name or the file of the site.
        scheduler : str
            For `dask`: the address of a scheduler that is there, or the file that it wrote.
        overrides : mapping, optional
            For `slurm` and `dask`: over study and site, such as ``{"partition": "debug", "time": "2 h"}``.
        retry_failed : bool
            Simulate failed points again.
        accept_changes : bool
            Go on where code has changed since the points in the directory were made.
        infer : bool
            Whether inference and report follow the sweep.
        listener : Listener, optional
            Is told what happens meanwhile. Without one, the cell of a notebook shows a bar, what is to be said, and why points
            failed, as the command does in a terminal; a script shows nothing. A report is written in any case, as by the command.

        Returns
        -------
        Results
            With a row for every point of the design.

        Raises
        ------
        IncompleteError
            If points of the design are missing in the results.
        AllFailedError
            If no point succeeded; the results hold the reasons.
        """
        from hpcsim.errors import AllFailedError
        from hpcsim.scheduler.target import Target
        from hpcsim.workflow.notebook import NotebookListener, in_notebook

        target = Target.of(on, workers=workers, site=site, scheduler=scheduler, overrides=overrides)
        place = self.directory(directory)
        again = {"retry_failed": retry_failed, "accept_changes": accept_changes}
        if listener is not None or not in_notebook():
            return self._run(place, target, again, listener, infer=infer)
        with NotebookListener() as shown:
            try:
                results = self._run(place, target, again, shown.listener(), infer=infer)
            except AllFailedError:
                shown.failures(self, place)
                raise
            shown.failures(self, place)
            return results

    def _run(
        self, place: StudyDirectory, target: Target, again: Mapping[str, bool], listener: Listener | None, *, infer: bool
    ) -> Results:
        """Sweep, inference and report."""
        from hpcsim.collector.results import Results
        from hpcsim.scheduler.sweep import sweep
        from hpcsim.workflow.analysis import check_inference
        from hpcsim.workflow.conclusion import conclude

        if infer:
            check_inference(self)
        before = sweep(self, place, target, infer=infer, listener=listener, **again)
        notify = listener.notify if listener else lambda text: None
        conclude(self, place, before, lambda: self.infer(place, target, **again), notify, wanted=infer)
        return Results(place.results)

    def check(self, directory: str | Path | None = None) -> CheckReport:
        """Read all results and shards and compare them with the design, as ``hpcsim check`` does.

        Parameters
        ----------
        directory : path, optional
            ``runs/<name>`` by default.

        Returns
        -------
        CheckReport
            Its `ok` says whether every file is sound and no point is missing.
        """
        from hpcsim.scheduler.state.check import check

        return check(self, self.directory(directory))

    def report(self, directory: str | Path | None = None, path: str | Path | None = None) -> Path:
        """Write the report of the study as it is now, as ``hpcsim report`` does.

        Parameters
        ----------
        directory : path, optional
            ``runs/<name>`` by default.
        path : path, optional
            Of the page; ``report.html`` in the directory by default. Figures are in a folder beside it, and a page to explore
            the points is ``explore.html``.

        Returns
        -------
        Path
            Of the page.

        Raises
        ------
        ResultsError
            If nothing of the study is in the directory, and no path was given.
        """
        from hpcsim.workflow.reporting import report

        return report(self, self.directory(directory), path=None if path is None else Path(path))

    def infer(
        self,
        directory: StudyDirectory,
        on: str | Target = "local",
        *,
        retry_failed: bool = False,
        accept_changes: bool = False,
    ) -> list[Finding]:
        """Run the inference methods on the results, and write the report.

        Parameters
        ----------
        directory : StudyDirectory
            Gets ``inference/`` (a folder a method) and ``report.html``.
        on : str or Target
            Where methods simulate that do.
        retry_failed, accept_changes : bool
            As of :meth:`run`.

        Returns
        -------
        list of Finding
            In the order of the study.

        Raises
        ------
        ResultsError
            If there are no results, or they do not hold what a method needs.
        """
        from hpcsim.scheduler.target import Target
        from hpcsim.workflow.analysis import analyse

        return analyse(self, directory, Target.of(on), retry_failed=retry_failed, accept_changes=accept_changes)
