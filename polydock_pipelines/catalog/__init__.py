"""Shapes of the catalogue files."""
