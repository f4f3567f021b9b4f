"""From a study to finished points: plans, tasks, executors."""
