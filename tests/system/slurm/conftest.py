"""The Slurm of these tests."""

from __future__ import annotations

from slurm_cluster import slurm  # noqa: F401
