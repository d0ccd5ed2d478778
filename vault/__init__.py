"""Strongroom: an encrypted vault for environment variables."""

__version__ = "0.2.0"
