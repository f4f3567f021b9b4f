"""Where tasks run: the executor, and what it has to know of its cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpcsim.scheduler.site.site import Overrides


@dataclass(frozen=True)
class Target:
    """Where tasks run.

    Parameters
    ----------
    executor : str
        Its name: ``inline``, ``local``, ``dask``, ``slurm``, or one of another package.
    workers : int, optional
        Tasks side by side; what the machine has, by default.
    site : str or Path
        For `slurm` and `dask`: the name or the file of the site.
    scheduler : str
        For `dask`: the address of a scheduler that is there, or the file that it wrote.
    overrides : Overrides
        For `slurm` and `dask`: what overrides study and site.
    """

    executor: str = "local"
    workers: int | None = None
    site: str | Path = ""
    scheduler: str = ""
    overrides: Overrides = field(default_factory=Overrides)

    @classmethod
    def of(
        cls,
        on: str | Target,
        *,
        workers: int | None = None,
        site: str | Path = "",
        scheduler: str = "",
        overrides: Mapping[str, Any] | Overrides | None = None,
    ) -> Target:
        """A target from the name of an executor, or from a target; what is said besides overrides it.

        Raises
        ------
        SiteError
            If the overrides are a mapping, with every mistake in it.

        Examples
        --------
        >>> Target.of(Target("slurm", site="cluster", workers=8), workers=4).workers
        4
        """
        base = on if isinstance(on, Target) else cls(on)
        if overrides is not None and not isinstance(overrides, Overrides):
            overrides = Overrides.check(overrides, "overrides")
        return cls(
            base.executor, workers or base.workers, site or base.site, scheduler or base.scheduler, overrides or base.overrides
        )

    @property
    def job_overrides(self) -> Overrides:
        """What overrides study and site for jobs in a queue, where the number of workers is the throttle."""
        return self.overrides.model_copy(update={"throttle": self.workers or self.overrides.throttle})


#: This machine, on all of its cores.
LOCAL = Target()
#: Slurm, as the last submission used it.
SLURM = Target("slurm")
