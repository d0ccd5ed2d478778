"""Keyed digests: names that reveal nothing about their input (ETags, throttle buckets, fingerprints)."""

from __future__ import annotations

import struct

from vault.crypto.key import Key
from vault.crypto.prf import hmac_sha256

_U32 = struct.Struct(">I")
_LABEL = b"SRM1 digest"


def keyed_digest(key: Key, purpose: str, *parts: bytes | str) -> bytes:
    """Return HMAC-SHA256 (RFC 2104) of the purpose and the parts, 32 bytes.

    Each part is encoded with its type and length, so ("ab", "c") and ("a", "bc") differ, and so do text and bytes.
    """
    return hmac_sha256(key, _LABEL + b"".join(map(_framed, (purpose, *parts))))


def _framed(part: bytes | str) -> bytes:
    if isinstance(part, str):
        # A request may contain lone surrogates. Encode them instead of failing.
        raw = part.encode("utf-8", "surrogatepass")
        return b"s" + _U32.pack(len(raw)) + raw
    return b"b" + _U32.pack(len(part)) + part
