"""What is written down in tests/vectors opens, byte for byte, with today's code."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.vectors import make, reference
from vault.crypto import Key, RowFormat, context, derive_user_key, open_blob, seal
from vault.crypto.key import pads
from vault.crypto.seal import encrypt

VECTORS = Path(__file__).parents[2] / "vectors"


def load(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((VECTORS / name).read_text(encoding="utf-8"))
    return document


BLOBS = load("blobs.json")
COBBLESTONE = load("cobblestone.json")
ROWS = load("rows.json")


def test_every_file_names_its_origin() -> None:
    names = [path.name for path in VECTORS.glob("*.json")]
    assert set(make.FILES) < set(names)
    assert [name for name in names if not load(name)["origin"]] == []


@pytest.mark.parametrize("name", make.FILES)
def test_our_own_files_are_what_the_reference_makes(name: str) -> None:
    assert (VECTORS / name).read_text(encoding="utf-8") == make.render(name)


@pytest.mark.parametrize("vector", COBBLESTONE["vectors"], ids=lambda vector: str(vector["name"]))
def test_the_reference_makes_the_published_vectors(vector: dict[str, Any]) -> None:
    key, associated, hash_name = bytes.fromhex(COBBLESTONE["key"]), vector["context"].encode(), COBBLESTONE["hash"]
    ciphertext = base64.b64decode(vector["ciphertext"])
    derived = reference.derive(key, ciphertext[:24], associated, hash_name)
    assert (derived.aead_key.hex(), derived.base_nonce.hex()) == (vector["aead_key"], vector["base_nonce"])
    plaintext = AESGCM(derived.aead_key).decrypt(derived.base_nonce, ciphertext[56:], None)
    assert hashlib.sha256(plaintext).hexdigest() == vector["payload_sha256"]
    assert reference.encrypt(key, ciphertext[:24], associated, plaintext, hash_name) == ciphertext


@pytest.mark.parametrize(
    "vector", BLOBS["vectors"], ids=lambda vector: f"{vector['context']}-{vector['plaintext_bytes']}"
)
def test_blob_opens_in_its_place(vector: dict[str, Any]) -> None:
    place = getattr(context, vector["context"])(*vector["arguments"])
    assert place.tail.hex() == vector["tail"]
    assert place.type == vector["type"]
    plaintext = open_blob(Key(BLOBS["key_id"], bytes.fromhex(BLOBS["key"])), place, base64.b64decode(vector["blob"]))
    assert hashlib.sha256(plaintext).hexdigest() == vector["plaintext_sha256"]


@pytest.mark.parametrize("size", [0, 1, 16_383, 16_384, 16_385, 40_000])
def test_the_reference_makes_the_bytes_that_the_library_makes(size: int) -> None:
    plaintext = bytes(range(256)) * (size // 256 + 1)
    ciphertext = encrypt(make.KEY, b"a place", plaintext[:size])
    assert reference.encrypt(make.KEY, ciphertext[:24], b"a place", plaintext[:size]) == ciphertext


@pytest.mark.parametrize("padded", [False, True])
def test_seal_makes_the_bytes_of_the_written_layout(padded: bool) -> None:
    _, number, arguments, tail = make.PLACES[0]
    blob = seal(Key(make.KEY_ID, make.KEY), context.revision(*arguments), b"plain", padded=padded)
    assert blob == reference.blob(make.KEY, make.KEY_ID, number, tail, blob[24:48], b"plain", padded)


@pytest.mark.parametrize("vector", load("user_keys.json")["vectors"], ids=lambda vector: str(vector["owner"]))
def test_user_key_is_derived_as_written(vector: dict[str, Any]) -> None:
    key = derive_user_key(bytes.fromhex(vector["unwrapped"]), vector["instance"], vector["owner"], vector["id"])
    assert (key.id, key.secret.hex()) == (vector["id"], vector["key"])


@pytest.mark.parametrize("vector", ROWS["vectors"])
def test_row_is_encoded_and_signed_as_written(vector: dict[str, Any]) -> None:
    columns = {
        name: bytes.fromhex(value) if name in vector["bytes_columns"] else value
        for name, value in vector["columns"].items()
    }
    row_format = RowFormat(vector["table"], tuple(columns))
    row = (tuple(vector["primary_key"]), tuple(columns.values()))
    assert row_format.encode(*row).hex() == vector["encoded"]
    assert row_format.mac(Key(make.KEY_ID, bytes.fromhex(ROWS["key"])), *row).hex() == vector["mac"]


@pytest.mark.parametrize("vector", load("hmac_sha256.json")["vectors"])
def test_hmac_of_rfc_4231(vector: dict[str, str]) -> None:
    inner, outer = pads(bytes.fromhex(vector["key"]))
    inner.update(bytes.fromhex(vector["data"]))
    outer.update(inner.digest())
    assert outer.hexdigest() == vector["mac"]
