"""What came with a request that may prove who sends it. No method sees more of the request than this."""

from __future__ import annotations

from dataclasses import dataclass, field

_SCHEME = "bearer "


@dataclass(frozen=True, slots=True)
class Presented:
    """The Authorization field, where the request came from, and its id."""

    authorization: str = field(repr=False)
    address: str
    request_id: str

    @property
    def bearer(self) -> str:
        """The bearer credential (RFC 6750), or an empty text."""
        if self.authorization[: len(_SCHEME)].lower() != _SCHEME:
            return ""
        return self.authorization[len(_SCHEME) :].strip()
