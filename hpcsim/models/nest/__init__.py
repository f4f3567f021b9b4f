"""Models of NEST."""
