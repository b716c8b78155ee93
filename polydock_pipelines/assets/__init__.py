"""Dagster assets: the nouns an operator looks at."""
