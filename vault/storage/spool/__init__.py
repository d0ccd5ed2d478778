"""Sealed records on this host's own disk, until they are in the database."""
