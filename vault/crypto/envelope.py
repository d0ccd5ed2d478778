"""The byte layout of sealed blobs: a header of 24 bytes, then the output of the suite.

All numbers are big-endian.

    offset  bytes  field
    0       3      magic "SRM"
    3       1      format = 1
    4       1      suite: 1 = Cobblestone-256; 2 = opaque bytes of a key provider, for type 3 only
    5       1      type: see `BlobType`
    6       2      flags: bit 0 = padded; an unknown bit is refused
    8       16     key id: the UUID of the key version that sealed it
    24      …      suite 1: salt (24) ‖ commitment (32) ‖ AES-256-GCM chunks; suite 2: the provider's bytes

The whole header is part of the associated data (see `context.py`), so a change to any bit is detected.
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
"""Bytes with a header, safe to store. Storage accepts no other type for secrets."""


class Suite(IntEnum):
    """How the bytes after the header are encrypted."""

    COBBLESTONE_256 = 1
    PROVIDER = 2


class BlobType(IntEnum):
    """What a blob holds. The numbers are stored: never reuse one."""

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
    CURSOR = 11


# A dict lookup takes a third of the time of calling the enum, and every request reads headers.
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
        """Return the 24 bytes. Raises `BlobError` for a header that `parse_header` would refuse."""
        _check_combination(self.suite, self.type, self.flags)
        return _LAYOUT.pack(MAGIC, FORMAT, self.suite, self.type, self.flags, uuid_bytes(self.key_id))


def parse_header(blob: bytes) -> Header:
    """Read a blob's header. Raises `BlobError` for anything that this version does not know, before any decryption."""
    try:
        return _parse_header(blob[:HEADER_BYTES])
    except (struct.error, TypeError):
        # The blob is too short, or is not bytes: SQLite accepts other types in a column of bytes.
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
    """Return the id of the key that the blob names. Use it to look up the key; it proves nothing."""
    return parse_header(blob).key_id


def as_sealed(stored: bytes) -> SealedBlob:
    """Return bytes from the database as a `SealedBlob`. Raises `BlobError` if the header is bad."""
    parse_header(stored)
    return SealedBlob(stored)


def _check_combination(suite: Suite, type_: BlobType, flags: int) -> None:
    if flags & ~_KNOWN_FLAGS:
        raise BlobError()
    if suite is Suite.PROVIDER and (type_ is not BlobType.USER_KEY or flags):
        raise BlobError()


@lru_cache(maxsize=8192)
def uuid_bytes(text: str) -> bytes:
    """Return the 16 bytes of a canonical lower-case UUID. Raises `BlobError` for any other text.

    Other spellings are refused because two spellings of one id would make two contexts.
    """
    try:
        raw = bytes.fromhex(text.replace("-", ""))
    except (ValueError, AttributeError):
        raise BlobError() from None
    if len(raw) != 16 or uuid_text(raw) != text:
        raise BlobError()
    return raw


def uuid_text(raw: bytes) -> str:
    """Return the canonical lower-case text of 16 bytes."""
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
