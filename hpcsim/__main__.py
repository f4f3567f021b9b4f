"""``python -m hpcsim``: the command, where no script is on the path."""

import sys

if not sys.flags.safe_path:
    # the current folder: a model of the user's own may be in random.py there, and Python's own modules come first
    del sys.path[0]

from hpcsim.cli import main

main()
