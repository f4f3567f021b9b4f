"""How much work a command does: its function calls, which are the same on any processor."""

from __future__ import annotations

import json
import subprocess
import sys

_CODE = """
import atexit, json, sys
calls = 0

def count(frame, event, argument):
    global calls
    calls += event in ("call", "c_call")

def tell():
    sys.setprofile(None)
    print(json.dumps([calls, len(sys.modules)]), file=sys.stderr)

atexit.register(tell)
sys.setprofile(count)
from hpcsim.cli.entry import main
main()
"""


def count_calls(*arguments: object) -> tuple[int, int]:
    """Function calls of ``hpcsim ARGUMENTS`` in its main thread, those of C included, and modules that it imports."""
    line = [sys.executable, "-c", _CODE, *map(str, arguments)]
    done = subprocess.run(line, check=True, capture_output=True, text=True)
    calls, modules = json.loads(done.stderr.splitlines()[-1])
    return calls, modules
