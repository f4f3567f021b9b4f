"""Generalized linear models of a cell's spikes on its injected current: fit, test and simulation."""
