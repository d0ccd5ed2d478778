"""Streams: the same bytes whatever the pieces, and nothing that was changed passes for the whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vault.crypto import new_key
from vault.crypto.age import X25519Identity, X25519Recipient, decrypt_stream, encrypt_stream
from vault.crypto.stream import open_stream, seal_stream
from vault.errors import BlobError, FormatError

KEY = new_key()
SIZES = (0, 1, 16 * 1024 - 1, 16 * 1024, 16 * 1024 + 1, 64 * 1024, 64 * 1024 + 1, 200_000)
SECRET = "AGE-SECRET-KEY-1P3H69H598NMCZNXJK4MHGPPU0PRLZRUUA7YUGHMJ9THNHY7CGUASUFEKCZ"
PUBLIC = "age12p4af6qdpk6fzzacvfkwhuu59q3kpau9mqxsqk8hja9696ml6d6q7mvkjy"


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("step", [7, 4096, 16 * 1024 + 16, 1_000_000])
def test_a_stream_opens_whatever_the_pieces(size: int, step: int) -> None:
    plaintext = bytes(number % 251 for number in range(size))
    sealed = b"".join(seal_stream(KEY, b"place", pieces(plaintext, step)))
    assert b"".join(open_stream(KEY, b"place", pieces(sealed, step))) == plaintext
    for_age = b"".join(encrypt_stream(pieces(plaintext, step), [X25519Recipient.from_text(PUBLIC)]))
    assert b"".join(decrypt_stream(pieces(for_age, step), [X25519Identity.from_text(SECRET)])) == plaintext


@pytest.mark.parametrize("cut", [1, 16, 17, 16 * 1024 + 16, 60_000])
def test_a_stream_without_its_end_does_not_open(cut: int) -> None:
    sealed = b"".join(seal_stream(KEY, b"place", [bytes(100_000)]))
    with pytest.raises(BlobError):
        list(open_stream(KEY, b"place", [sealed[:-cut]]))
    for_age = b"".join(encrypt_stream([bytes(100_000)], [X25519Recipient.from_text(PUBLIC)]))
    with pytest.raises(FormatError):
        list(decrypt_stream([for_age[:-cut]], [X25519Identity.from_text(SECRET)]))


def test_a_stream_opens_in_its_place_and_under_its_key_alone() -> None:
    sealed = b"".join(seal_stream(KEY, b"place", [b"text"]))
    for key, place in ((KEY, b"other"), (new_key(KEY.id), b"place")):
        with pytest.raises(BlobError):
            list(open_stream(key, place, [sealed]))


def test_nothing_of_a_changed_chunk_is_handed_out() -> None:
    sealed = bytearray(b"".join(seal_stream(KEY, b"place", [bytes(100_000)])))
    sealed[56 + 2 * (16 * 1024 + 16) + 5] ^= 1
    stream, opened = open_stream(KEY, b"place", pieces(bytes(sealed), 16 * 1024 + 16)), bytearray()
    with pytest.raises(BlobError):
        opened.extend(byte for piece in stream for byte in piece)
    assert len(opened) <= 2 * 16 * 1024
