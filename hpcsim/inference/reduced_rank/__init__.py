"""Regressions through a few latent dimensions, from genes to parameters."""
