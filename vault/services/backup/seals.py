"""Seals and opens whole archives: with a backup key, or for age recipients.

    0   4  magic `SRMB`                              age-encryption.org/v1 …
    4   1  format = 1                                (a binary age file, which `age -d` opens too)
    5   1  suite: 1 = Cobblestone-256
    6   2  zeros
    8  16  id of the backup key (UUID)
    24  …  Cobblestone-256, with these 24 bytes as its associated data

Both seal in chunks with authenticated order and end: a changed, moved, doubled or missing chunk is detected. A host
with a backup key can write and read archives. For age recipients, a host writes archives that it cannot read.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, Protocol

from vault.crypto import Key, age
from vault.crypto.stream import open_stream, seal_stream
from vault.errors import BackupError, BlobError, FormatError
from vault.services.backup.names import AGE_SUFFIX, KEY_SUFFIX

_MAGIC = b"SRMB"
_FORMAT, _COBBLESTONE_256 = 1, 1
_HEADER_BYTES = 24
_PIECE_BYTES = 256 * 1024


class Seal(Protocol):
    """Seals archives."""

    suffix: str
    """The end of such archives' names."""
    opener: Opener | None
    """What opens these archives again; None if this host cannot."""

    def sealed(self, plaintext: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the archive in pieces."""


class KeySeal:
    """Seals with a backup key."""

    suffix = KEY_SUFFIX

    def __init__(self, key: Key) -> None:
        self._key = key
        self.opener: Opener | None = Opener(key)

    def sealed(self, plaintext: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the header, and the stream that is bound to it."""
        header = _MAGIC + bytes([_FORMAT, _COBBLESTONE_256, 0, 0]) + uuid.UUID(self._key.id).bytes
        yield header
        yield from seal_stream(self._key, header, plaintext)


class AgeSeal:
    """Seals for age recipients."""

    suffix = AGE_SUFFIX

    def __init__(self, recipients: Sequence[age.Recipient]) -> None:
        self._recipients = recipients
        self.opener: Opener | None = None

    def sealed(self, plaintext: Iterable[bytes]) -> Iterator[bytes]:
        """Yield a binary age file."""
        return age.encrypt_stream(plaintext, self._recipients)


class Opener:
    """The keys that open archives: a backup key, identities of age recipients, or both."""

    def __init__(self, key: Key | None = None, identities: Sequence[age.Identity] = ()) -> None:
        self._key = key
        self._identities = identities

    def opened(self, file: BinaryIO, name: str) -> Iterator[bytes]:
        """Yield the plaintext of `file`. Each piece is authenticated, but only the end shows that nothing is missing.

        Raises `BackupError`, which says what is wrong and roughly where.
        """
        start = file.read(_HEADER_BYTES)
        pieces = iter(lambda: file.read(_PIECE_BYTES), b"")
        try:
            if start.startswith(_MAGIC):
                yield from open_stream(self._key_for(start, name), start, pieces)
            elif age.is_age(start):
                yield from self._from_age(start, pieces, name)
            else:
                raise BackupError(f"{name} is not an archive of Strongroom, or its first bytes are damaged.")
        except BlobError as error:
            raise _damaged(name, file) from error

    def _key_for(self, header: bytes, name: str) -> Key:
        if len(header) < _HEADER_BYTES:
            raise BackupError(f"{name} is cut off after {len(header)} bytes.")
        if (header[4], header[5], header[6:8]) != (_FORMAT, _COBBLESTONE_256, b"\0\0"):
            raise BackupError(f"{name} is an archive of a newer release of Strongroom, or its header is damaged.")
        if self._key is None:
            raise BackupError(f"{name} is sealed with a backup key. Give the key's file with --key.")
        if header[8:] != uuid.UUID(self._key.id).bytes:
            raise BackupError(
                f"{name} is sealed with the backup key {uuid.UUID(bytes=header[8:])}, but the given key is "
                f"{self._key.id}."
            )
        return self._key

    def _from_age(self, start: bytes, pieces: Iterator[bytes], name: str) -> Iterator[bytes]:
        if not self._identities:
            raise BackupError(f"{name} is for age recipients. Give the file of an identity with --identity.")
        try:
            yield from age.decrypt_stream(_after(start, pieces), self._identities)
        except FormatError as error:
            raise BackupError(f"{name}: {error.message}") from error


def _after(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from others


def _damaged(name: str, file: BinaryIO) -> BackupError:
    place = max(0, file.tell() - _PIECE_BYTES)
    return BackupError(f"{name} is damaged or cut off, at byte {place:,} or after it. Nothing of it was used.")
