"""``python -m hpcsim``: the command, where no script is on the path."""

from hpcsim.cli import main

main()
