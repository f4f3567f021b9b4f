"""What authors of models, samplers and executors run on their own, to see that it keeps the contract."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpcsim.testing.executors import ExecutorSuite
    from hpcsim.testing.models import check_model
    from hpcsim.testing.samplers import check_sampler

__all__ = ["ExecutorSuite", "check_model", "check_sampler"]


# a task that simulates the toys of this room imports neither pytest nor what starts tasks
def __getattr__(name: str) -> Any:
    if name == "check_model":
        return import_module("hpcsim.testing.models").check_model
    if name == "check_sampler":
        return import_module("hpcsim.testing.samplers").check_sampler
    if name == "ExecutorSuite":
        import pytest

        # so that a failed assert tells what was compared
        pytest.register_assert_rewrite("hpcsim.testing.executors")
        return import_module("hpcsim.testing.executors").ExecutorSuite
    raise AttributeError(f'module "hpcsim.testing" has no attribute "{name}"')
