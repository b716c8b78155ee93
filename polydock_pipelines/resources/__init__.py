"""Dagster resources: settings in, client or database out."""
