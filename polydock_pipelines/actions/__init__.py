"""One verb a file. Nothing here knows Dagster or HTTP."""
