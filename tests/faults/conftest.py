"""How many trials, from which seed, and the table at the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of ``pytest -m faults tests/faults``."""
    parser.addoption("--trials", type=int, default=1, help="how often each fault happens on each executor")
    parser.addoption("--seed", type=int, default=1, help="from which the random moments follow")


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Fault, executor, and what was lost, in one table."""
    rows = [
        dict(report.user_properties)["faults"]
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call" and "faults" in dict(getattr(report, "user_properties", ()))
    ]
    if rows:
        terminalreporter.write_line(
            "| fault | executor | trials | lost | doubled | changed | simulated again, at most | commands, at most |"
        )
        terminalreporter.write_line("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in sorted(rows):
        terminalreporter.write_line(f"| {' | '.join(map(str, row))} |")
    yield
