"""Dagster jobs: ops that unpack config, call one action and add metadata."""
