"""One cache of compiled mechanisms for all tests: NEURON loads each of them once a process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def neuron_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for compiled mechanisms and cell templates, which the processes of one run of tests share."""
    here = tmp_path_factory.getbasetemp()
    folder = (here.parent if "PYTEST_XDIST_WORKER" in os.environ else here) / "Zürich labör's cache"
    folder.mkdir(exist_ok=True)
    return folder
