"""HMAC-SHA256 (RFC 2104) under a `Key`, for the places that compute many in one request."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

    from vault.crypto.seal import Key

_BLOCK_BYTES = 64
_INNER = bytes(0x36 ^ byte for byte in range(256))
_OUTER = bytes(0x5C ^ byte for byte in range(256))


def pads(secret: bytes) -> tuple[Hash, Hash]:
    """SHA-256 after its first block: the key XOR ipad, and the key XOR opad. For keys of at most 64 bytes."""
    block = secret.ljust(_BLOCK_BYTES, b"\x00")
    if len(block) != _BLOCK_BYTES:
        raise ValueError("RFC 2104 hashes a longer key first, and no key here is longer.")
    return hashlib.sha256(block.translate(_INNER)), hashlib.sha256(block.translate(_OUTER))


def hmac_sha256(key: Key, message: bytes) -> bytes:
    """32 bytes. Copying the two hashed pads takes half the time of `hmac.digest`, which hashes them every time."""
    prepared = key.pads
    inner = prepared[0].copy()
    inner.update(message)
    outer = prepared[1].copy()
    outer.update(inner.digest())
    return outer.digest()
