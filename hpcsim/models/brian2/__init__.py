"""Models of Brian2."""
