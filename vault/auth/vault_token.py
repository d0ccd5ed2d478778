"""Vault clients: a service token or an API session in `X-Vault-Token`, otherwise as a bearer credential."""

from __future__ import annotations

from dataclasses import replace

from vault.auth.presented import Presented
from vault.auth.service_token import service_token
from vault.auth.session import api_session
from vault.model.principal import Principal
from vault.services import Services


def vault_token(services: Services, presented: Presented) -> Principal | None:
    """Return the principal of the token or session, or None if the credential has neither form."""
    text = presented.header("X-Vault-Token")
    if text:
        presented = replace(presented, headers={**presented.headers, "Authorization": f"Bearer {text}"})
    return service_token(services, presented) or api_session(services, presented)
