"""What a study's directory holds: rows, costs, failures, and whether all of it is sound and there."""
