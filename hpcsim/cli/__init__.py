"""The ``hpcsim`` command."""

from hpcsim.cli.entry import main

__all__ = ["main"]
