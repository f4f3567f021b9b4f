"""``python -m toy_program FOLDER FLAGS...``: leaves a program that is a shell script, and a line in a log of builds."""

import os
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with open(os.environ["TOY_LOG"], "a") as log:
        log.write(" ".join(sys.argv[2:]) + "\n")
    if os.environ.get("TOY_FAILS"):
        sys.exit("the linker is on strike")
    time.sleep(0.3)
    (folder / "static_arrays").mkdir()
    (folder / "main").write_text(f'#!/bin/sh\n# made in {folder}\necho "$@"\n')
    (folder / "main").chmod(0o755)
