"""Package walks reads and changes many rows, and has the reads of the hot path."""
