"""Cobblestone-256 over a stream: for what is too large to hold in memory, such as a backup.

Each chunk of 16 KiB is proven, at its place, before it is handed out; that nothing is missing at the end is known at
the end only. Whoever acts on a stream reads all of it first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag

from vault.crypto.key import Key
from vault.errors import BlobError


def seal_stream(key: Key, associated_data: bytes, plaintext: Iterable[bytes]) -> Iterator[bytes]:
    """The sealed bytes of `plaintext`, piece by piece."""
    encryptor = Cobblestone256Encryptor(key.secret, associated_data)
    for piece in plaintext:
        yield encryptor.update(piece)
    yield encryptor.finalize()


def open_stream(key: Key, associated_data: bytes, sealed: Iterable[bytes]) -> Iterator[bytes]:
    """The plaintext, piece by piece. Raises `BlobError` where a chunk was changed or moved, or the end is missing."""
    decryptor = Cobblestone256Decryptor(key.secret, associated_data)
    try:
        for piece in sealed:
            yield decryptor.update(piece)
        yield decryptor.finalize()
    except InvalidTag:
        raise BlobError() from None
