"""Regression from features to parameters."""
