"""Service tokens in Basic and API-key credentials. By default they can only read.

Tools that can send nothing else keep such a credential where many people can read it: bookmarks, URLs, proxy settings.
So the token may write only if its metadata has `header_writes: "true"`.
"""

from __future__ import annotations

from vault.auth.presented import SAFE_METHODS, Presented
from vault.errors import Forbidden
from vault.model.principal import Principal
from vault.services import Services


def header_token(services: Services, presented: Presented, text: str) -> Principal:
    """Return the token's principal. Raises `NotAuthenticated`, and `Forbidden` for a write that the token does not
    allow.
    """
    principal = services.tokens.holders.authenticate(text, presented.address, presented.request_id)
    if presented.method not in SAFE_METHODS and not principal.header_writes:
        raise Forbidden(
            "A token in a Basic or API-key credential can only read. Send it as Authorization: Bearer, or create "
            'one with the metadata {"header_writes": "true"}.'
        )
    return principal
