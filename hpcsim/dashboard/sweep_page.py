"""The page of the sweep that this process runs."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from hpcsim.dashboard.live import Live
from hpcsim.scheduler.executor import Listener
from hpcsim.scheduler.plan import Plan
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.study import Study

if TYPE_CHECKING:
    from hpcsim.dashboard.server import Server


class SweepPage:
    """Serves a page from the moment on at which something is simulated; a context manager.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
    executor : str
        `inline` has no page: it is for debugging, and shares its process with nobody.
    retry_failed : bool
        Whether failed points are simulated again.
    """

    def __init__(self, study: Study, directory: StudyDirectory, executor: str, *, retry_failed: bool = False) -> None:
        self._study, self._directory, self._executor, self._retry_failed = study, directory, executor, retry_failed
        self._live = Live()
        self._server: Server | None = None

    def listener(self, also: Listener) -> Listener:
        """A listener for the sweep, which tells another, too."""
        if self._executor == "inline":
            return also

        def started(study: Study, plan: Plan) -> None:
            also.started(study, plan)
            if plan.left and self._server is None:
                self._server = self._serve()
                also.notify(f"dashboard {self._server.url} (from elsewhere: {self._server.tunnel})")

        heard = Listener(started, also.progressed, also.notify, also.tasked, also.dashboard)
        return self._live.listener(heard)

    def simulated(self) -> None:
        """Say that the sweep is over; the page is served until the end."""
        self._live.ended()

    def _serve(self) -> Server:
        from hpcsim.dashboard.monitor import Monitor
        from hpcsim.dashboard.server import Server

        options = {"executor": self._executor, "live": self._live, "retry_failed": self._retry_failed}
        server = Server(Monitor(self._study, self._directory, **options))  # type: ignore[arg-type]
        server.start()
        return server

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._server is not None:
            self._server.stop(last_word=kind is None)
