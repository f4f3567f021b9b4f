"""What simulators print: the log of a task within its bound, and why points failed."""
