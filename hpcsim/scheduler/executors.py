"""Executors by name: those of hpcsim, and those that other packages offer."""

from __future__ import annotations

from hpcsim.registry import Registry
from hpcsim.scheduler.executor import Executor

_BUILT_IN = {
    "inline": "hpcsim.scheduler.inline:run_inline",
    "local": "hpcsim.scheduler.local:run_local",
    "dask": "hpcsim.scheduler.dask.executor:run_dask",
    "slurm": "hpcsim.scheduler.slurm.executor:run_slurm",
}

#: Those of hpcsim.
EXECUTORS = tuple(_BUILT_IN)

_REGISTRY: Registry[Executor] = Registry(Executor, _BUILT_IN)


def executor_names() -> list[str]:
    """Names of all executors: those of hpcsim, and those of entry points."""
    return _REGISTRY.names()


def get_executor(name: str, *, installed: bool = True) -> Executor:
    """The executor of that name: one of hpcsim, an entry point of the group ``hpcsim.executors``, or ``package.module:name``.

    Parameters
    ----------
    name : str
    installed : bool
        Also check that what it needs is installed.

    Raises
    ------
    PluginError
        If there is none, or what it needs is not installed.
    """
    return _REGISTRY.get(name, installed=installed)
