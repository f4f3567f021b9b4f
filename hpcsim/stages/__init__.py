"""Pure functions from outputs to more outputs: signals and features."""
