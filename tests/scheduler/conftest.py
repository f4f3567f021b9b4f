"""The Slurm of the conformance suite."""

from __future__ import annotations

from slurm_cluster import slurm  # noqa: F401
