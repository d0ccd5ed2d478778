"""What came with a request that may prove who sends it. No method sees more of the request than this."""

from __future__ import annotations

from dataclasses import dataclass, field

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "LIST"})
"""Calls that change nothing."""

_SCHEME = "bearer "


@dataclass(frozen=True, slots=True)
class Presented:
    """The fields that may hold a credential, where the request came from, its id, and whether it only reads."""

    authorization: str = field(repr=False)
    address: str
    request_id: str
    method: str = "GET"
    api_key: str = field(default="", repr=False)
    vault_token: str = field(default="", repr=False)
    cookie: str = field(default="", repr=False)

    @property
    def bearer(self) -> str:
        """The bearer credential (RFC 6750), or an empty text."""
        if self.authorization[: len(_SCHEME)].lower() != _SCHEME:
            return ""
        return self.authorization[len(_SCHEME) :].strip()
