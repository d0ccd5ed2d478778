"""Keyed digests: names for things that tell nothing of the things (ETags, throttle buckets, fingerprints)."""

from __future__ import annotations

import struct

from vault.crypto.key import Key
from vault.crypto.prf import hmac_sha256

_U32 = struct.Struct(">I")
_LABEL = b"SRM1 digest"


def keyed_digest(key: Key, purpose: str, *parts: bytes | str) -> bytes:
    """HMAC-SHA256 (RFC 2104) over the purpose and the parts, 32 bytes.

    Each part carries its kind and its length, so that ("ab", "c") and ("a", "bc") differ, and text and bytes too.
    """
    return hmac_sha256(key, _LABEL + b"".join(map(_framed, (purpose, *parts))))


def _framed(part: bytes | str) -> bytes:
    if isinstance(part, str):
        # A request may carry lone surrogates, and their digest is as good as any other.
        raw = part.encode("utf-8", "surrogatepass")
        return b"s" + _U32.pack(len(raw)) + raw
    return b"b" + _U32.pack(len(part)) + part
