"""Stored evaluations against other means, standard deviations, cutoffs and groups."""
