"""The report of a study: figures and one HTML page."""

from __future__ import annotations

from hpcsim.report.html import write_report

__all__ = ["write_report"]
