"""The header of a blob: 24 bytes, and refusal of all that is not known."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.crypto.places import KEY
from vault.crypto import BlobType, Header, Suite, as_sealed, key_id_of, parse_header
from vault.crypto.envelope import FLAG_PADDED, HEADER_BYTES, uuid_bytes
from vault.errors import BlobError

HEADER = Header(Suite.COBBLESTONE_256, BlobType.REVISION, FLAG_PADDED, KEY.id)


def with_byte(offset: int, byte: int) -> bytes:
    packed = bytearray(HEADER.pack())
    packed[offset] = byte
    return bytes(packed)


def test_header_is_24_bytes_in_the_written_order() -> None:
    assert HEADER.pack() == b"SRM\x01\x01\x01\x00\x01" + bytes.fromhex(KEY.id.replace("-", ""))


@given(st.sampled_from(BlobType), st.sampled_from([0, FLAG_PADDED]), st.uuids().map(str), st.binary(max_size=40))
def test_header_reads_back(type_: BlobType, flags: int, key_id: str, rest: bytes) -> None:
    header = Header(Suite.COBBLESTONE_256, type_, flags, key_id)
    assert parse_header(header.pack() + rest) == header
    assert key_id_of(header.pack() + rest) == key_id


@pytest.mark.parametrize("blob", [b"", b"SRM", HEADER.pack()[:-1]])
def test_too_short_is_refused(blob: bytes) -> None:
    with pytest.raises(BlobError):
        parse_header(blob)


@pytest.mark.parametrize(
    ("offset", "byte"),
    [(0, 0x73), (3, 0), (3, 2), (4, 0), (4, 3), (5, 0), (5, 12), (6, 0x80), (7, 0x02), (7, 0x03)],
    ids=["magic", "format 0", "format 2", "suite 0", "suite 3", "type 0", "type 12", "flag 15", "flag 1", "flags 0, 1"],
)
def test_attack_5_unknown_magic_format_suite_type_and_flag_are_refused(offset: int, byte: int) -> None:
    with pytest.raises(BlobError):
        parse_header(with_byte(offset, byte))


@pytest.mark.parametrize("type_", [type_ for type_ in BlobType if type_ is not BlobType.USER_KEY])
def test_the_providers_suite_is_for_user_keys_only(type_: BlobType) -> None:
    with pytest.raises(BlobError):
        Header(Suite.PROVIDER, type_, 0, KEY.id).pack()
    with pytest.raises(BlobError):
        parse_header(b"SRM\x01\x02" + bytes([type_]) + bytes(18))


@pytest.mark.parametrize("stored", [None, "SRM" + "\x01" * 40, 7, 1.5])
def test_what_is_no_bytes_is_refused_as_a_blob_that_does_not_open(stored: Any) -> None:
    with pytest.raises(BlobError):
        as_sealed(stored)


def test_as_sealed_keeps_the_bytes() -> None:
    blob = HEADER.pack() + b"body"
    assert as_sealed(blob) == blob
    assert len(HEADER.pack()) == HEADER_BYTES


@pytest.mark.parametrize(
    "text", ["", KEY.id.upper().replace("5", "A"), KEY.id.replace("-", ""), "{" + KEY.id + "}", KEY.id + "0", "é" * 36]
)
def test_only_a_canonical_uuid_is_an_id(text: str) -> None:
    with pytest.raises(BlobError):
        uuid_bytes(text)
