"""Multi-objective search: the Pareto front of several distances."""
