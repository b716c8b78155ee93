"""App types as data: which step runs at which stage."""
