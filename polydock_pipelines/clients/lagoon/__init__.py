"""Lagoon: GraphQL over HTTP, tokens over SSH."""
