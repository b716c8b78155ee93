"""Clients of the outside: one module or package a remote system."""
