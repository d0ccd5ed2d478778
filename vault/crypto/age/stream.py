"""age's payload: STREAM, ChaCha20-Poly1305 in chunks of 64 KiB that are counted, the last of them marked."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from vault.crypto.age.header import bad_header, hkdf
from vault.errors import FormatError

_NONCE_BYTES = 16
_CHUNK_BYTES = 64 * 1024
_TAG_BYTES = 16


def seal(file_key: bytes, plaintext: bytes) -> bytes:
    """A nonce and the chunks; there is one even for nothing."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    cipher = _cipher(file_key, nonce)
    chunks = [cipher.encrypt(number, chunk, None) for number, chunk in _numbered(plaintext, _CHUNK_BYTES)]
    return nonce + b"".join(chunks)


def open_sealed(file_key: bytes, data: bytes) -> bytes:
    """The plaintext, once all of it is proven. Raises `FormatError`."""
    nonce, sealed = data[:_NONCE_BYTES], data[_NONCE_BYTES:]
    if len(nonce) < _NONCE_BYTES:
        raise bad_header()
    cipher = _cipher(file_key, nonce)
    try:
        chunks = [cipher.decrypt(number, chunk, None) for number, chunk in _numbered(sealed, _CHUNK_BYTES + _TAG_BYTES)]
    except InvalidTag:
        raise _damaged() from None
    if len(chunks) > 1 and not chunks[-1]:
        # An empty last chunk is a second spelling of the same text; only an empty text has one.
        raise _damaged()
    return b"".join(chunks)


def _damaged() -> FormatError:
    return FormatError("The payload of this age file is damaged or cut off.")


def _cipher(file_key: bytes, nonce: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(hkdf(file_key, nonce, b"payload"))


def _numbered(data: bytes, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Each chunk with its nonce: an 11-byte counter, and 1 for the last."""
    last = max(0, (len(data) - 1) // size)
    for number in range(last + 1):
        yield number.to_bytes(11, "big") + bytes([number == last]), data[number * size : (number + 1) * size]
