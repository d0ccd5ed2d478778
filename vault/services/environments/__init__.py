"""Environments: their variables, how these are sealed, and how they change."""
