"""What a test needs and this machine has not: a reason to step aside, but in CI a failure."""

from __future__ import annotations

import os
from importlib import import_module
from typing import NoReturn

import pytest


def absent(why: str) -> NoReturn:
    """Skip the test, or fail it where everything must be there."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


def needed(module: str) -> None:
    """Import a module that the test needs, or step aside as `absent` does."""
    try:
        import_module(module)
    except ImportError:
        if not os.environ.get("CI"):
            pytest.skip(f"needs {module}", allow_module_level=True)
        raise
