"""Cobblestone-256 over a stream, for data that does not fit into memory, such as a backup.

Each chunk of 16 KiB, and its position, is authenticated before it is returned. Only the end of the stream shows that
nothing is missing, so read all of it before you act on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag

from vault.crypto.key import Key
from vault.errors import BlobError


def seal_stream(key: Key, associated_data: bytes, plaintext: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the sealed bytes of `plaintext` in pieces."""
    encryptor = Cobblestone256Encryptor(key.secret, associated_data)
    for piece in plaintext:
        yield encryptor.update(piece)
    yield encryptor.finalize()


def open_stream(key: Key, associated_data: bytes, sealed: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the plaintext in pieces. Raises `BlobError` if a chunk was changed or moved, or the end is missing."""
    decryptor = Cobblestone256Decryptor(key.secret, associated_data)
    try:
        for piece in sealed:
            yield decryptor.update(piece)
        yield decryptor.finalize()
    except InvalidTag:
        raise BlobError() from None
