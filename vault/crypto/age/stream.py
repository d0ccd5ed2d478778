"""age's payload: STREAM, that is ChaCha20-Poly1305 in numbered chunks of 64 KiB. The last one is marked."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from vault.crypto.age.header import bad_header, hkdf
from vault.errors import FormatError

_NONCE_BYTES = 16
_CHUNK_BYTES = 64 * 1024
_TAG_BYTES = 16


def seal(file_key: bytes, plaintext: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a nonce and the chunks. An empty plaintext has one chunk."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    yield nonce
    cipher = _cipher(file_key, nonce)
    for place, chunk in _placed(plaintext, _CHUNK_BYTES):
        yield cipher.encrypt(place, chunk, None)


def open_sealed(file_key: bytes, sealed: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the plaintext, each chunk after it was verified. A missing last chunk is only found at the end.

    Raises `FormatError`.
    """
    source = iter(sealed)
    start = b""
    while len(start) < _NONCE_BYTES:
        piece = next(source, None)
        if piece is None:
            raise bad_header()
        start += piece
    cipher = _cipher(file_key, start[:_NONCE_BYTES])
    is_first = True
    for place, chunk in _placed(_after(start[_NONCE_BYTES:], source), _CHUNK_BYTES + _TAG_BYTES):
        try:
            opened = cipher.decrypt(place, chunk, None)
        except InvalidTag:
            raise _damaged() from None
        if not opened and not is_first:
            # Only an empty text has an empty last chunk. Otherwise a text could be written in two ways.
            raise _damaged()
        is_first = False
        yield opened


def _damaged() -> FormatError:
    return FormatError("The payload of this age file is damaged or cut off.")


def _cipher(file_key: bytes, nonce: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(hkdf(file_key, nonce, b"payload"))


def _after(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from others


def _placed(pieces: Iterable[bytes], size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield each chunk with its nonce: an 11-byte counter, and 1 for the last chunk."""
    waiting, number = bytearray(), 0
    for piece in pieces:
        waiting += piece
        while len(waiting) > size:
            yield number.to_bytes(11, "big") + b"\0", bytes(waiting[:size])
            del waiting[:size]
            number += 1
    yield number.to_bytes(11, "big") + b"\1", bytes(waiting)
