"""How many examples each target gets, and what they came to.

In CI the examples are few and always the same; ``pytest tests/fuzz --fuzz-examples 100000`` draws as many others as it says.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fuzz_oracle import TALLY, plan


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of ``pytest tests/fuzz``."""
    parser.addoption("--fuzz-examples", type=int, default=0, help="so many examples of each target, drawn anew")
    parser.addoption("--fuzz-seconds", type=float, default=0.0, help="the time after which a target takes no more examples")


def pytest_configure(config: pytest.Config) -> None:
    """Tell the targets, which are made when their modules are read."""
    plan(config.getoption("--fuzz-examples", 0), config.getoption("--fuzz-seconds", 0.0))


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> Iterator[None]:
    """Examples and seconds by target, where they were asked for by hand."""
    if config.getoption("--fuzz-examples", 0):
        terminalreporter.write_line("| target | examples | refused | s |")
        terminalreporter.write_line("| --- | --- | --- | --- |")
        for name, (examples, refused, seconds) in sorted(TALLY.items()):
            terminalreporter.write_line(f"| {name} | {examples} | {refused} | {seconds:.0f} |")
    yield
