"""The lifecycle of an instance: one table and pure functions. Standard library only."""
