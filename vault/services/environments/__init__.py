"""Environments: what is in them, how it is sealed, and how it changes."""
