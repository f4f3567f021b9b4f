"""The dashboard: one page with a study's progress, served on this machine alone."""
