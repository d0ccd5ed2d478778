"""Package model implements the nouns and rules of the vault, without I/O."""
