"""Basic credentials (RFC 7617), for tools that can send nothing else: user `token`, with a service token as
password.
"""

from __future__ import annotations

import base64
import binascii

from vault.auth.header_token import header_token
from vault.auth.presented import Presented
from vault.errors import NotAuthenticated
from vault.model.principal import Principal
from vault.services import Services

_SCHEME = "basic "
_USER = "token"


def basic(services: Services, presented: Presented) -> Principal | None:
    """Return the principal of the token in the password, or None without Basic credentials. Raises
    `NotAuthenticated`.
    """
    authorization = presented.headers["Authorization"]
    if authorization[: len(_SCHEME)].lower() != _SCHEME:
        return None
    try:
        text = base64.b64decode(authorization[len(_SCHEME) :].strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise NotAuthenticated() from None
    user, _, password = text.partition(":")
    if user != _USER:
        raise NotAuthenticated()
    return header_token(services, presented, password)
