"""API keys: a service token in the header `X-API-Key`."""

from __future__ import annotations

from vault.auth.header_token import header_token
from vault.auth.presented import Presented
from vault.model.principal import Principal
from vault.services import Services


def api_key(services: Services, presented: Presented) -> Principal | None:
    """Return the principal of the token in `X-API-Key`, or None without one. Raises `NotAuthenticated`."""
    text = presented.headers["X-API-Key"]
    return header_token(services, presented, text) if text else None
