"""Who may import whom: the way of the data, and no way back."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import hpcsim

PACKAGE = Path(hpcsim.__file__).parent
#: What a room may not know, even where it imports late.
FORBIDDEN = {
    "space": {"stages", "scheduler", "collector", "inference", "report", "study", "checked_study", "dashboard", "cli"},
    "models": {"stages", "scheduler", "collector", "inference", "report", "study", "checked_study", "dashboard", "cli"},
    "stages": {"scheduler", "collector", "inference", "report", "study", "checked_study", "dashboard", "cli"},
    "collector": {"models", "stages", "scheduler", "inference", "report", "study", "checked_study", "dashboard", "cli"},
    "inference": {"models", "stages", "scheduler", "dashboard", "cli"},
    "report": {"models", "stages", "scheduler", "study", "checked_study", "dashboard", "cli"},
    "scheduler": {"inference", "report", "dashboard", "cli"},
    "dashboard": {"stages", "inference", "report", "cli"},
}


def imported(path: Path) -> set[str]:
    """Rooms of hpcsim that a module imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("hpcsim.")}


@pytest.mark.parametrize("room", FORBIDDEN)
def test_a_room_knows_only_what_comes_before_it(room):
    for path in (PACKAGE / room).rglob("*.py"):
        assert not imported(path) & FORBIDDEN[room], path.relative_to(PACKAGE)
