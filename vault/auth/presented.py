"""What came with a request that can prove who sends it. A method sees no more of the request than this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "LIST"})
"""Calls that change nothing."""

_SCHEME = "bearer "


@dataclass(frozen=True, slots=True)
class Presented:
    """The headers and cookies that can hold a credential, where the request came from, its id, and its method."""

    headers: Mapping[str, str] = field(repr=False)
    """All of `CREDENTIAL_HEADERS`, with an empty text for a header that was not sent."""
    cookies: Mapping[str, str] = field(repr=False)
    address: str
    request_id: str
    method: str

    def header(self, name: str) -> str:
        """One of `CREDENTIAL_HEADERS`; empty if it was not sent. Raises `KeyError` for any other header."""
        return self.headers[name]

    @property
    def bearer(self) -> str:
        """The bearer credential (RFC 6750), or an empty text."""
        authorization = self.headers["Authorization"]
        if authorization[: len(_SCHEME)].lower() != _SCHEME:
            return ""
        return authorization[len(_SCHEME) :].strip()
