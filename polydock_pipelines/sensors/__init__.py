"""Dagster sensors: what is due becomes a RunRequest."""
