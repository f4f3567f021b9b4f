"""A study at work: run, infer, report."""
