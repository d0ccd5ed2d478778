"""HMAC-SHA256 (RFC 2104) under a `Key`, for the places that compute many in one request."""

from __future__ import annotations

from vault.crypto.key import Key


def hmac_sha256(key: Key, message: bytes) -> bytes:
    """32 bytes. Copying the two hashed pads takes half the time of `hmac.digest`, which hashes them every time."""
    prepared = key.pads
    inner = prepared[0].copy()
    inner.update(message)
    outer = prepared[1].copy()
    outer.update(inner.digest())
    return outer.digest()
