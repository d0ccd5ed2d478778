"""Strongroom: an encrypted vault for environment variables."""

__version__ = "0.3.0.dev0"
