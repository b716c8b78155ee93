"""Time-limited trials of applications on Lagoon, handed out by Dagster pipelines."""
