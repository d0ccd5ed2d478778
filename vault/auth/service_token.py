"""Service tokens: `Authorization: Bearer srm_t_…`."""

from __future__ import annotations

from vault.auth.presented import Presented
from vault.model.principal import Principal
from vault.services import Services


def service_token(services: Services, presented: Presented) -> Principal | None:
    """The token's principal; None for what is not shaped like a service token."""
    text = presented.bearer
    if not text.startswith("srm_t_"):
        return None
    return services.tokens.holders.authenticate(text, presented.address, presented.request_id)
