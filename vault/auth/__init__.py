"""Finds the principal of a credential. `METHODS` are asked in turn; the first that knows the credential's form decides.

To add a method: write one file with a function of the `Method` type, and add it to the tuple. If it reads a header that
no other method reads, add the header to `CREDENTIAL_HEADERS` in `model/credential_headers.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from vault.auth.apikey import api_key
from vault.auth.basic import basic
from vault.auth.cookie import web_session, web_stream
from vault.auth.networks import require_named_network
from vault.auth.presented import SAFE_METHODS, Presented
from vault.auth.service_token import service_token
from vault.auth.session import api_session, ended_session
from vault.auth.vault_token import vault_token
from vault.errors import NotAuthenticated
from vault.model.principal import Principal
from vault.services import Services

Method = Callable[[Services, Presented], Principal | None]

METHODS: tuple[Method, ...] = (service_token, api_session, basic, api_key)

VAULT_METHODS: tuple[Method, ...] = (vault_token,)
"""The methods of the Vault face."""

WEB_METHODS: tuple[Method, ...] = (web_session,)
"""The pages accept only their cookie."""

WEB_STREAM_METHODS: tuple[Method, ...] = (web_stream,)
"""The methods of the pages' streams."""


def authenticate(services: Services, presented: Presented, methods: tuple[Method, ...] = METHODS) -> Principal:
    """Return the principal of a request. Raises `NotAuthenticated` (the same for every cause) and `VaultLocked`."""
    services.instance.require_unlocked()
    for method in methods:
        principal = method(services, presented)
        if principal is not None:
            return principal
    raise NotAuthenticated()


__all__ = [
    "METHODS",
    "SAFE_METHODS",
    "VAULT_METHODS",
    "WEB_METHODS",
    "WEB_STREAM_METHODS",
    "Method",
    "Presented",
    "authenticate",
    "ended_session",
    "require_named_network",
]
