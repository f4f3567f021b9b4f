"""One cache of compiled mechanisms for all tests: NEURON loads each of them once a process."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def neuron_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for compiled mechanisms and cell templates."""
    return tmp_path_factory.mktemp("Zürich labör's cache")
