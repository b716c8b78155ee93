"""Lagoon's operations, a module for each noun. Importing a module binds its resolvers."""
