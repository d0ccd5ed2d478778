"""Reads and changes that go over many rows, and the reads of the hot path."""
