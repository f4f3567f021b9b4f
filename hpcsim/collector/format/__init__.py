"""A file of points: its columns, how it is read, and whether it is sound."""
