"""A study as a value: its file, its checks, its recipe, its directory."""
