"""Slurm as its commands show it: calls, answers, states of jobs, and the scripts that it gets."""
