"""The vault's own identity and keys."""
