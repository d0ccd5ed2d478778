"""Nouns and rules, with no I/O."""
