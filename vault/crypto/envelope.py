"""The byte layout of everything that is sealed: a header of 24 bytes, then what the suite makes.

All numbers are big-endian.

    offset  bytes  field
    0       3      magic "SRM"
    3       1      format = 1
    4       1      suite: 1 = Cobblestone-256; 2 = opaque bytes of a key provider, for type 3 only
    5       1      type: see `BlobType`
    6       2      flags: bit 0 = padded; an unknown bit is refused
    8       16     key id: the UUID of the exact key version that seals this
    24      …      suite 1: salt (24) ‖ commitment (32) ‖ AES-256-GCM chunks; suite 2: the provider's bytes

The whole header is part of the associated data (see `context.py`), so that no bit of it can change unseen.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import NewType

from vault.errors import BlobError

MAGIC = b"SRM"
FORMAT = 1
HEADER_BYTES = 24
FLAG_PADDED = 0x0001
_KNOWN_FLAGS = FLAG_PADDED
_LAYOUT = struct.Struct(">3sBBBH16s")

SealedBlob = NewType("SealedBlob", bytes)
"""Bytes that carry a header and are safe to store. Storage accepts nothing else for what is secret."""


class Suite(IntEnum):
    """How the bytes after the header are made."""

    COBBLESTONE_256 = 1
    PROVIDER = 2


class BlobType(IntEnum):
    """What a blob holds. The number is stored: never reuse one."""

    REVISION = 1
    DATA_KEY = 2
    USER_KEY = 3
    SYSTEM_SECRET = 4
    CLIENT_KEY_SLOT = 5
    CLIENT_REVISION = 6
    METADATA = 7
    CACHE_ENTRY = 8
    STORED_ANSWER = 9
    AUDIT_RECORD = 10


# A dict finds a member in a third of the time that calling the enum takes, and a header is read on every request.
_SUITES = {int(suite): suite for suite in Suite}
_TYPES = {int(type_): type_ for type_ in BlobType}


@dataclass(frozen=True, slots=True)
class Header:
    """The first 24 bytes of a blob. `key_id` is a canonical lower-case UUID."""

    suite: Suite
    type: BlobType
    flags: int
    key_id: str

    def pack(self) -> bytes:
        """The 24 bytes. Raises `BlobError` on what `parse_header` would refuse."""
        _check_combination(self.suite, self.type, self.flags)
        return _LAYOUT.pack(MAGIC, FORMAT, self.suite, self.type, self.flags, uuid_bytes(self.key_id))


def parse_header(blob: bytes) -> Header:
    """Read a blob's header. Raises `BlobError`, before any crypto, on anything this version does not know."""
    try:
        return _parse_header(blob[:HEADER_BYTES])
    except (struct.error, TypeError):
        # Too short; or no bytes at all, which SQLite lets somebody put into a column of them.
        raise BlobError() from None


@lru_cache(maxsize=8192)
def _parse_header(header: bytes) -> Header:
    magic, format_, suite_number, type_number, flags, raw_id = _LAYOUT.unpack(header)
    suite, type_ = _SUITES.get(suite_number), _TYPES.get(type_number)
    if magic != MAGIC or format_ != FORMAT or suite is None or type_ is None:
        raise BlobError()
    _check_combination(suite, type_, flags)
    return Header(suite, type_, flags, uuid_text(raw_id))


def key_id_of(blob: bytes) -> str:
    """The id of the key that a blob says it is sealed under: what to look up, and no proof of anything."""
    return parse_header(blob).key_id


def as_sealed(stored: bytes) -> SealedBlob:
    """Bytes that came from the database, as a `SealedBlob`. Raises `BlobError` when the header is not one."""
    parse_header(stored)
    return SealedBlob(stored)


def _check_combination(suite: Suite, type_: BlobType, flags: int) -> None:
    if flags & ~_KNOWN_FLAGS:
        raise BlobError()
    if suite is Suite.PROVIDER and (type_ is not BlobType.USER_KEY or flags):
        raise BlobError()


@lru_cache(maxsize=8192)
def uuid_bytes(text: str) -> bytes:
    """The 16 bytes of a canonical lower-case UUID. Raises `BlobError` on any other text.

    Only the canonical form is taken, because two spellings of one id would be two contexts.
    """
    try:
        raw = bytes.fromhex(text.replace("-", ""))
    except (ValueError, AttributeError):
        raise BlobError() from None
    if len(raw) != 16 or uuid_text(raw) != text:
        raise BlobError()
    return raw


def uuid_text(raw: bytes) -> str:
    """The canonical lower-case text of 16 bytes."""
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
