"""Sealing and opening: what was sealed for one place opens there and nowhere else."""

from __future__ import annotations

import copy
import importlib
import pickle
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.crypto.places import (
    ENVIRONMENT,
    INSTANCE,
    KEY,
    OTHER_ENVIRONMENT,
    OTHER_KEY,
    OTHER_ROW,
    OWNER,
    ROW,
    revision,
)
from vault.crypto import BlobType, Context, Key, context, derive_user_key, new_key, open_blob, seal
from vault.crypto.envelope import HEADER_BYTES
from vault.crypto.seal import encrypt
from vault.errors import BlobError

CHUNK_BYTES = 16 * 1024
SEALED_CHUNK_BYTES = CHUNK_BYTES + 16
BODY = HEADER_BYTES + 24 + 32
"""Where the first chunk begins: after the header, the salt and the commitment."""


def refuses(blob: bytes, place: Context | None = None, key: Key = KEY) -> None:
    with pytest.raises(BlobError) as caught:
        open_blob(key, place or revision(), blob)
    assert str(caught.value) == BlobError.sentence
    assert caught.value.__cause__ is None


@given(st.binary(max_size=3 * CHUNK_BYTES), st.booleans())
def test_what_was_sealed_opens(plaintext: bytes, padded: bool) -> None:
    assert open_blob(KEY, revision(), seal(KEY, revision(), plaintext, padded=padded)) == plaintext


def test_the_same_plaintext_never_gives_the_same_blob() -> None:
    assert len({seal(KEY, revision(), b"same") for _ in range(50)}) == 50


@pytest.mark.parametrize("padded", [False, True])
def test_attack_1_each_byte_flipped_does_not_open(padded: bool) -> None:
    blob = seal(KEY, revision(), b"canary", padded=padded)
    for offset in range(len(blob)):
        for mask in (0x01, 0x80):
            flipped = bytearray(blob)
            flipped[offset] ^= mask
            refuses(bytes(flipped))


@given(st.data())
def test_no_cut_of_a_blob_opens(data: st.DataObject) -> None:
    blob = seal(KEY, revision(), b"x" * CHUNK_BYTES)
    refuses(blob[: data.draw(st.integers(0, len(blob) - 1))])


@pytest.mark.parametrize(
    "elsewhere",
    [
        revision(environment_id=OTHER_ENVIRONMENT),
        revision(revision_id=OTHER_ROW),
        revision(number=8),
        context.revision(OTHER_ROW, ENVIRONMENT, ROW, 7),
    ],
    ids=["environment", "revision", "number", "instance"],
)
def test_attack_2_a_revision_moved_elsewhere_does_not_open(elsewhere: Context) -> None:
    refuses(seal(KEY, revision(), b"canary"), elsewhere)


@pytest.mark.parametrize(
    "elsewhere",
    [
        context.data_key(INSTANCE, OTHER_ROW, ENVIRONMENT, ROW),
        context.data_key(INSTANCE, OWNER, OTHER_ENVIRONMENT, ROW),
        context.data_key(INSTANCE, OWNER, ENVIRONMENT, OTHER_ROW),
    ],
    ids=["user", "environment", "key"],
)
def test_attack_3_a_wrapped_data_key_copied_elsewhere_does_not_open(elsewhere: Context) -> None:
    refuses(seal(KEY, context.data_key(INSTANCE, OWNER, ENVIRONMENT, ROW), bytes(32)), elsewhere)


def test_attack_4_another_type_byte_does_not_open_as_either_type() -> None:
    blob = bytearray(seal(KEY, context.data_key(INSTANCE, OWNER, ENVIRONMENT, ROW), bytes(32)))
    blob[5] = BlobType.REVISION
    refuses(bytes(blob), revision())
    refuses(bytes(blob), context.data_key(INSTANCE, OWNER, ENVIRONMENT, ROW))


def test_attack_4_another_key_id_does_not_open_under_either_key() -> None:
    blob = seal(KEY, revision(), b"canary")
    swapped = blob[:8] + bytes.fromhex(OTHER_KEY.id.replace("-", "")) + blob[24:]
    refuses(swapped)
    refuses(swapped, key=OTHER_KEY)


def test_attack_4_the_right_bits_under_another_id_are_not_tried() -> None:
    refuses(seal(KEY, revision(), b"canary"), key=Key(OTHER_KEY.id, KEY.secret))


def test_a_tail_that_is_the_same_under_another_type_does_not_open() -> None:
    blob = seal(KEY, context.client_revision(INSTANCE, ENVIRONMENT, ROW, 7), b"canary")
    assert context.client_revision(INSTANCE, ENVIRONMENT, ROW, 7).tail == revision().tail
    refuses(blob)


@pytest.mark.parametrize("suite", [0, 2, 3, 255])
def test_attack_5_another_suite_is_refused_before_any_crypto(suite: int, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("vault.crypto.seal")
    monkeypatch.setattr(module, "decrypt", lambda *_: pytest.fail("crypto was asked"))
    blob = bytearray(seal(KEY, revision(), b"canary"))
    blob[4] = suite
    refuses(bytes(blob))


@pytest.mark.parametrize(
    "tamper",
    [
        lambda blob: blob[: BODY + SEALED_CHUNK_BYTES],
        lambda blob: blob[: BODY + 2 * SEALED_CHUNK_BYTES],
        lambda blob: blob[:BODY],
        lambda blob: blob[: BODY + SEALED_CHUNK_BYTES] + blob[BODY:],
        lambda blob: blob[:BODY] + blob[BODY + SEALED_CHUNK_BYTES :],
        lambda blob: (
            blob[:BODY]
            + blob[BODY + SEALED_CHUNK_BYTES : BODY + 2 * SEALED_CHUNK_BYTES]
            + blob[BODY : BODY + SEALED_CHUNK_BYTES]
            + blob[BODY + 2 * SEALED_CHUNK_BYTES :]
        ),
        lambda blob: blob + blob[BODY + 2 * SEALED_CHUNK_BYTES :],
        lambda blob: blob + b"\x00",
    ],
    ids=[
        "cut after 1",
        "cut after 2",
        "no chunk",
        "1 doubled",
        "1 left out",
        "1 and 2 swapped",
        "end doubled",
        "longer",
    ],
)
def test_attack_6_chunks_cut_doubled_or_swapped_release_nothing(tamper: Any) -> None:
    refuses(tamper(seal(KEY, revision(), bytes(2 * CHUNK_BYTES + 100))))


@pytest.mark.parametrize("size", [0, 1, 200, 254, 255, 256, 600])
def test_padding_hides_the_length_to_256_bytes(size: int) -> None:
    plain_bytes = len(seal(KEY, revision(), b"x" * size, padded=True)) - len(seal(KEY, revision(), b""))
    assert plain_bytes == (size // 256 + 1) * 256


@pytest.mark.parametrize(
    "padded",
    [b"", bytes(256), b"\x80", b"x" * 256, b"\x80" + bytes(511), b"x" * 255 + b"\x00", b"\x80" + bytes(256)],
    ids=["empty", "zeros", "short", "no mark", "a step too much", "no mark but a zero", "no step"],
)
def test_padding_that_is_not_ours_does_not_open(padded: bytes) -> None:
    header = seal(KEY, revision(), b"", padded=True)[:HEADER_BYTES]
    refuses(header + encrypt(KEY.secret, revision().associated_data(header), padded))


def test_nothing_of_the_cause_or_the_plaintext_is_in_the_error() -> None:
    blob = seal(KEY, revision(), b"canary-4711")
    with pytest.raises(BlobError) as caught:
        open_blob(KEY, revision(number=8), blob)
    text = "".join(traceback.format_exception(caught.value))
    assert "canary" not in text
    assert "InvalidTag" not in text


def test_a_keys_repr_hides_it() -> None:
    key = Key(KEY.id, b"canary-canary-canary-canary-4711")
    assert "canary" not in f"{key!r} {key} {[key]}"
    assert key.pads
    assert "canary" not in repr(key)


def test_a_key_does_not_pickle() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(KEY)
    with pytest.raises(TypeError):
        copy.deepcopy(KEY)


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_has_256_bits(length: int) -> None:
    with pytest.raises(BlobError):
        Key(KEY.id, bytes(length))


def test_new_keys_differ_in_id_and_bits() -> None:
    keys = [new_key() for _ in range(20)]
    assert len({key.id for key in keys}) == len({key.secret for key in keys}) == 20


def test_a_new_key_takes_the_id_that_is_given() -> None:
    assert new_key(ROW).id == ROW


def test_a_user_key_depends_on_vault_owner_and_its_own_id() -> None:
    derived = {
        derive_user_key(bytes(32), *place).secret
        for place in [(INSTANCE, OWNER, ROW), (INSTANCE, None, ROW), (INSTANCE, OWNER, OTHER_ROW), (ROW, OWNER, ROW)]
    }
    assert len(derived) == 4
