"""The second page of a report: the points of a study, to look at by hand."""

from __future__ import annotations

from hpcsim.report.explore.explorer import explorer_section

__all__ = ["explorer_section"]
