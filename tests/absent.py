"""What a test needs and this machine has not: a reason to step aside, but in CI a failure."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def absent(why: str) -> NoReturn:
    """Skip the test, or fail it where everything must be there."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)
