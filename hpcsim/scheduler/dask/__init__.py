"""Executor ``dask``: clusters whose workers run tasks."""
