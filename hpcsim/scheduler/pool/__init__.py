"""Tasks under Dask, whatever cluster it is: its settings, its pages, and what becomes of lost workers."""
