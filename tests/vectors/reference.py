"""Cobblestone-256 and the blob's layout, written a second time from their texts, with the salt as an argument.

From https://c2sp.org/chunked-encryption (HKDF-Expand-SHA512, AES-256-GCM), and the drawing in
`vault/crypto/envelope.py`.
For tests only: a fixed salt is what makes vectors, and what nobody may have in use.
"""

from __future__ import annotations

import hmac
import uuid
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CHUNK_BYTES = 16 * 1024
LABEL = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00"


@dataclass(frozen=True)
class Derived:
    """What one message is encrypted under."""

    aead_key: bytes
    base_nonce: bytes
    commitment: bytes


def hkdf_expand(secret: bytes, info: bytes, length: int, hash_name: str = "sha512") -> bytes:
    """RFC 5869, section 2.3."""
    output, block, counter = b"", b"", 0
    while len(output) < length:
        counter += 1
        block = hmac.digest(secret, block + info + bytes([counter]), hash_name)
        output += block
    return output[:length]


def derive(key: bytes, salt: bytes, context: bytes, hash_name: str = "sha512") -> Derived:
    """Key, base nonce and commitment of a message."""
    output = hkdf_expand(key, LABEL + salt + context, 32 + 12 + 32, hash_name)
    return Derived(output[:32], output[32:44], output[44:])


def nonce(base_nonce: bytes, chunk: int) -> bytes:
    """The base nonce XOR the chunk's number."""
    return (int.from_bytes(base_nonce, "big") ^ chunk).to_bytes(12, "big")


def encrypt(key: bytes, salt: bytes, context: bytes, plaintext: bytes, hash_name: str = "sha512") -> bytes:
    """Salt, commitment, and the chunks; the last one is always shorter than 16 KiB, and may be empty."""
    derived = derive(key, salt, context, hash_name)
    cipher = AESGCM(derived.aead_key)
    chunks = [
        cipher.encrypt(nonce(derived.base_nonce, number), plaintext[start : start + CHUNK_BYTES], None)
        for number, start in enumerate(range(0, len(plaintext) + 1, CHUNK_BYTES))
    ]
    return salt + derived.commitment + b"".join(chunks)


def header(type_number: int, key_id: str, *, padded: bool = False, suite: int = 1) -> bytes:
    """The 24 bytes before everything sealed."""
    return b"SRM" + bytes([1, suite, type_number]) + (b"\x00\x01" if padded else b"\x00\x00") + uuid.UUID(key_id).bytes


def pad(plaintext: bytes) -> bytes:
    """0x80, then zeros to the next multiple of 256."""
    padded = plaintext + b"\x80"
    while len(padded) % 256:
        padded += b"\x00"
    return padded


def blob(key: bytes, key_id: str, type_number: int, tail: bytes, salt: bytes, plaintext: bytes, padded: bool) -> bytes:
    """A whole blob of suite 1."""
    head = header(type_number, key_id, padded=padded)
    return head + encrypt(key, salt, b"SRM1" + head + tail, pad(plaintext) if padded else plaintext)


def tail(*fields: str | int, texts: tuple[str, ...] = ()) -> bytes:
    """The fields of a context: UUIDs as 16 bytes, numbers as 8, texts after their length in 4."""
    encoded = [uuid.UUID(field).bytes if isinstance(field, str) else field.to_bytes(8, "big") for field in fields]
    for text in texts:
        encoded += [len(text.encode()).to_bytes(4, "big"), text.encode()]
    return b"".join(encoded)
