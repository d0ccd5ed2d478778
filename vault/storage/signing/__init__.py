"""How rows are signed when they are written and checked when they are read."""
