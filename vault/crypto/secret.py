"""`Secret`: a wrapper that keeps plaintext out of logs and tracebacks."""

from __future__ import annotations

import hmac
from typing import Generic, NoReturn, TypeVar

Plain = TypeVar("Plain", str, bytes)

_HIDDEN = "Secret(hidden)"


class Secret(Generic[Plain]):
    """Holds text or bytes. `repr`, `str` and `format` hide it, and it cannot be pickled. `reveal()` returns it."""

    __slots__ = ("_plain",)

    _plain: Plain

    def __init__(self, plain: Plain) -> None:
        self._plain = plain

    def reveal(self) -> Plain:
        """Return the plaintext. Search for this name to find every place that does so."""
        return self._plain

    def __repr__(self) -> str:
        return _HIDDEN

    __str__ = __repr__

    def __format__(self, specification: str) -> str:
        return _HIDDEN

    def __eq__(self, other: object) -> bool:
        """Compare in constant time. A secret equals only another secret, never a plain value."""
        if not isinstance(other, Secret):
            return NotImplemented
        return type(self._plain) is type(other._plain) and hmac.compare_digest(_raw(self), _raw(other))

    __hash__ = None  # type: ignore[assignment]  # The hash of a short secret would reveal it.

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret cannot be pickled or copied to another process.")


def _raw(secret: Secret[str] | Secret[bytes]) -> bytes:
    plain = secret.reveal()
    return plain.encode("utf-8", "surrogatepass") if isinstance(plain, str) else plain
