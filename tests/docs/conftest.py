"""The documentation's own tests: collected where its tools are installed, and a count of code blocks at the end."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from block_count import COUNT

#: Without the extra `docs` there are none; `pytest -m docs` then ends with an error, since nothing is left to run.
collect_ignore_glob = [] if find_spec("sybil") and find_spec("numpydoc") else ["test_*.py"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the count, and each block that is not run with its reason."""
    if count := config.stash.get(COUNT, None):
        terminalreporter.section("documentation")
        terminalreporter.write_line(str(count))
        for reason in count.skipped:
            terminalreporter.write_line(f"not run: {reason}")
