"""One file a noun: the statements over its tables."""
