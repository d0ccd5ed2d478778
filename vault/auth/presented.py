"""The parts of a request that can identify the sender. A method sees nothing else of the request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "LIST"})
"""Methods that change nothing."""

_SCHEME = "bearer "


@dataclass(frozen=True, slots=True)
class Presented:
    """The headers and cookies that can hold a credential, the address, the request id, and the HTTP method."""

    headers: Mapping[str, str] = field(repr=False)
    """All of `CREDENTIAL_HEADERS`. A header that was not sent is an empty text."""
    cookies: Mapping[str, str] = field(repr=False)
    address: str
    request_id: str
    method: str

    @property
    def bearer(self) -> str:
        """Return the bearer credential (RFC 6750), or an empty text."""
        authorization = self.headers["Authorization"]
        if authorization[: len(_SCHEME)].lower() != _SCHEME:
            return ""
        return authorization[len(_SCHEME) :].strip()

    @property
    def vault_token(self) -> str:
        """Return the credential of a Vault client: `X-Vault-Token`, or else the bearer credential."""
        return self.headers["X-Vault-Token"].strip() or self.bearer
