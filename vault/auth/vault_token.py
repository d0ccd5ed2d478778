"""Vault clients: a service token or an API session in `X-Vault-Token`, otherwise as a bearer credential."""

from __future__ import annotations

from vault.auth.presented import Presented
from vault.auth.service_token import token_of
from vault.auth.session import session_of
from vault.model.principal import Principal
from vault.services import Services


def vault_token(services: Services, presented: Presented) -> Principal | None:
    """Return the principal of the token or session, or None if the credential has neither form."""
    text = presented.vault_token
    return token_of(services, presented, text) or session_of(services, presented, text)
