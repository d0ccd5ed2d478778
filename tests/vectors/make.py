"""Makes our own vectors from `reference.py`; run as `python -m tests.vectors.make`."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from tests.vectors import reference

HERE = Path(__file__).parent

INSTANCE = "10000000-0000-4000-8000-000000000001"
OWNER = "20000000-0000-4000-8000-000000000002"
ENVIRONMENT = "30000000-0000-4000-8000-000000000003"
ROW = "40000000-0000-4000-8000-000000000004"
KEY_ID = "5a5b5c5d-0000-4000-8000-000000000005"
KEY = bytes(range(32))
SALT = bytes(range(100, 124))
NIL = "00000000-0000-0000-0000-000000000000"

# The function in `vault.crypto.context`, its type's number, its arguments, and the tail from the written layout.
PLACES: list[tuple[str, int, list[Any], bytes]] = [
    ("revision", 1, [INSTANCE, ENVIRONMENT, ROW, 7], reference.tail(INSTANCE, ENVIRONMENT, ROW, 7)),
    ("data_key", 2, [INSTANCE, OWNER, ENVIRONMENT, ROW], reference.tail(INSTANCE, OWNER, ENVIRONMENT, ROW)),
    ("user_key", 3, [INSTANCE, OWNER, ROW], reference.tail(INSTANCE, OWNER, ROW)),
    ("user_key", 3, [INSTANCE, None, ROW], reference.tail(INSTANCE, NIL, ROW)),
    ("system_secret", 4, [INSTANCE, "password", OWNER], reference.tail(INSTANCE, texts=("password", OWNER))),
    ("client_slot", 5, [INSTANCE, OWNER, ENVIRONMENT, ROW], reference.tail(INSTANCE, OWNER, ENVIRONMENT, ROW)),
    ("client_revision", 6, [INSTANCE, ENVIRONMENT, ROW, 2**40], reference.tail(INSTANCE, ENVIRONMENT, ROW, 2**40)),
    ("metadata", 7, [INSTANCE, ENVIRONMENT, 3], reference.tail(INSTANCE, ENVIRONMENT, 3)),
    ("cache_entry", 8, [INSTANCE, "session", "3kTMd9Äb"], reference.tail(INSTANCE, texts=("session", "3kTMd9Äb"))),
    ("stored_answer", 9, [INSTANCE, "idempotency", ""], reference.tail(INSTANCE, texts=("idempotency", ""))),
    ("audit_record", 10, [INSTANCE, ROW], reference.tail(INSTANCE, ROW)),
    ("cursor", 11, [INSTANCE, OWNER], reference.tail(INSTANCE, OWNER)),
]


def blobs() -> dict[str, Any]:
    """One blob for each place, and revisions of every interesting length."""
    vectors = []
    for name, number, arguments, tail in PLACES:
        plaintext = f"what is sealed as {name}".encode()
        vectors.append(_blob(name, number, arguments, tail, plaintext, padded=False))
    _, number, arguments, tail = PLACES[0]
    for size in (0, 1, 255, 256, 16 * 1024 - 1, 16 * 1024):
        vectors.append(_blob("revision", number, arguments, tail, b"\x80" * size, padded=True))
    return {
        "origin": "Ours: tests/vectors/reference.py, from the layout in vault/crypto/envelope.py and https://c2sp.org/chunked-encryption",
        "key": KEY.hex(),
        "key_id": KEY_ID,
        "vectors": vectors,
    }


def user_keys() -> dict[str, Any]:
    """The user key in use, from what a provider unwrapped."""
    vectors = []
    for owner in (OWNER, None):
        info = b"SRM1 user-key" + reference.tail(INSTANCE, owner or NIL, ROW)
        derived = reference.hkdf_expand(KEY, info, 32)
        vectors.append({"instance": INSTANCE, "owner": owner, "id": ROW, "unwrapped": KEY.hex(), "key": derived.hex()})
    return {"origin": "Ours: HKDF-Expand by RFC 5869, section 2.3, over hmac and SHA-512", "vectors": vectors}


def rows() -> dict[str, Any]:
    """Rows of authority and their MACs."""
    secret = "734d5f03d10a4d0b9b1d9c5f"
    columns = {"b": None, "a": -2, "name": "Grüße", "raw": secret, "flag": 1}
    encoded = b"\x01" + _text("tokens") + (5).to_bytes(4, "big")
    encoded += b"".join(_text(name) for name in ("a", "b", "flag", "name", "raw"))
    encoded += (2).to_bytes(4, "big") + b"\x02" + _text("3kTMd9") + b"\x01" + (9).to_bytes(8, "big")
    encoded += b"\x01" + (-2).to_bytes(8, "big", signed=True) + b"\x00" + b"\x01" + (1).to_bytes(8, "big")
    encoded += b"\x02" + _text("Grüße") + b"\x03" + (12).to_bytes(4, "big") + bytes.fromhex(secret)
    mac = hmac.digest(KEY, encoded, hashlib.sha256)
    row = {"table": "tokens", "primary_key": ["3kTMd9", 9], "columns": columns, "bytes_columns": ["raw"]}
    return {
        "origin": "Ours: the drawing in vault/crypto/mac.py, over hmac and SHA-256",
        "key": KEY.hex(),
        "vectors": [{**row, "encoded": encoded.hex(), "mac": mac.hex()}],
    }


FILES = {"blobs.json": blobs, "user_keys.json": user_keys, "rows.json": rows}


def render(name: str) -> str:
    """The text of one file."""
    return json.dumps(FILES[name](), indent=1, ensure_ascii=False) + "\n"


def _blob(
    name: str, number: int, arguments: list[Any], tail: bytes, plaintext: bytes, *, padded: bool
) -> dict[str, Any]:
    sealed = reference.blob(KEY, KEY_ID, number, tail, SALT, plaintext, padded)
    return {
        "context": name,
        "arguments": arguments,
        "type": number,
        "tail": tail.hex(),
        "padded": padded,
        "plaintext_bytes": len(plaintext),
        "plaintext_sha256": hashlib.sha256(plaintext).hexdigest(),
        "blob": base64.b64encode(sealed).decode(),
    }


def _text(text: str) -> bytes:
    return len(text.encode()).to_bytes(4, "big") + text.encode()


if __name__ == "__main__":
    for file_name in FILES:
        (HERE / file_name).write_text(render(file_name), encoding="utf-8")
