"""HMAC-SHA256 (RFC 2104) with a `Key`, for code that computes many in one request."""

from __future__ import annotations

from vault.crypto.key import Key


def hmac_sha256(key: Key, message: bytes) -> bytes:
    """Return 32 bytes. Copying the two hashed pads takes half the time of `hmac.digest`, which hashes them again."""
    prepared = key.pads
    inner = prepared[0].copy()
    inner.update(message)
    outer = prepared[1].copy()
    outer.update(inner.digest())
    return outer.digest()
