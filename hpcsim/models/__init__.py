"""Simulators: what a model is, and those that ship with hpcsim."""
