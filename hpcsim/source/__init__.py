"""Code of the user's own: where it is found, how it is loaded, which files it is made of, and what changed in it."""
