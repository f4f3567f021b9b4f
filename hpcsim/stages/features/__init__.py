"""Stages that reduce signals and spikes to a few numbers."""
