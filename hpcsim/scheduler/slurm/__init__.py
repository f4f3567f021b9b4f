"""Executor ``slurm``: submissions, job arrays, what became of them, and the job that collects."""
