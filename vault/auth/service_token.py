"""Service tokens: `Authorization: Bearer srm_t_…`."""

from __future__ import annotations

from vault.auth.presented import Presented
from vault.crypto import TokenKind
from vault.model.principal import Principal
from vault.services import Services

_PREFIX = TokenKind.SERVICE.prefix


def service_token(services: Services, presented: Presented) -> Principal | None:
    """Return the token's principal, or None if the credential does not have the form of a service token."""
    return token_of(services, presented, presented.bearer)


def token_of(services: Services, presented: Presented, text: str) -> Principal | None:
    """Do the same for a credential that was found in another header."""
    if not text.startswith(_PREFIX):
        return None
    return services.tokens.holders.authenticate(text, presented.address, presented.request_id)
