"""What Basic and API-key credentials have in common: a service token that only reads, unless it says otherwise.

Tools that can send nothing else keep such a credential in places that are read by many: bookmarks, addresses,
settings of a proxy. So it writes only where the token's own metadata has `header_writes: "true"`.
"""

from __future__ import annotations

from vault.auth.presented import SAFE_METHODS, Presented
from vault.errors import Forbidden
from vault.model.principal import Principal
from vault.services import Services


def header_token(services: Services, presented: Presented, text: str) -> Principal:
    """The token's principal. Raises `NotAuthenticated`, and `Forbidden` for a write that the token does not allow."""
    principal = services.tokens.holders.authenticate(text, presented.address, presented.request_id)
    if presented.method not in SAFE_METHODS and not principal.header_writes:
        raise Forbidden(
            "A token that comes as a Basic or API-key credential only reads. Send it as Authorization: Bearer, or make "
            'one with the metadata {"header_writes": "true"}.'
        )
    return principal
