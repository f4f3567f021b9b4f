"""What an executor starts: a supervisor that survives, and a worker that simulates and may die."""
