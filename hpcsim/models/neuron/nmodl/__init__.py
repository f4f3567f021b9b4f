"""Mechanisms in NMODL: compiled, loaded, and linearised."""
