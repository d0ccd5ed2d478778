"""Where a client finds its address, its authority and its token if it is not given them."""

from __future__ import annotations

import os
from collections.abc import Mapping

from vault.sources import filled, secret_from, variable_of

DEFAULT_URL = "https://localhost:8443"


def named(argument: str | None, name: str, variable: str) -> str | None:
    """Return the argument, or what the variable has. Raises `SettingsError` for the one that counts if it is empty."""
    return variable_of(os.environ, variable) if argument is None else filled(argument, name)


def token_from(environ: Mapping[str, str]) -> str:
    """Return the token from the environment variables, or "". Raises `SettingsError` if it is ambiguous, unreadable or
    empty.
    """
    return secret_from(environ, "STRONGROOM_TOKEN") or ""
