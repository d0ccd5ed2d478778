"""Bodies in chunks, piece by piece."""

from __future__ import annotations

import pytest

from vault.client.chunks import ChunkDecoder
from vault.errors import TransportError

BODY = b'5\r\nhello\r\n1;name="value"\r\n \r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n'


@pytest.mark.parametrize("size", [1, 2, 5, 11, len(BODY)])
def test_content_is_the_same_however_it_is_cut(size: int) -> None:
    decoder, found = ChunkDecoder(), b""
    for start in range(0, len(BODY), size):
        assert not decoder.is_done
        found += decoder.feed(BODY[start : start + size])
    assert (found, decoder.is_done) == (b"hello 0123456789", True)


def test_a_part_of_a_chunk_is_not_waited_for() -> None:
    assert ChunkDecoder().feed(b"ff\r\nhal") == b"hal"


@pytest.mark.parametrize(
    "data",
    [
        b"x\r\n", b"\r\n", b"-1\r\n", b"0x5\r\n", b"5\r\nhelloX\r\n", b"f" * 13 + b"\r\n", b"1;" + b"e" * 5000,
        b"0\r\n" + b"Trailer: x\r\n" * 2000,
    ],
)  # fmt: skip
def test_what_is_not_chunked_is_refused(data: bytes) -> None:
    with pytest.raises(TransportError, match="not chunked"):
        ChunkDecoder().feed(data)
