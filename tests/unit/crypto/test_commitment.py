"""Attack 7: bare AES-GCM opens one crafted ciphertext under two keys; ours does not, because it commits to its key.

How the ciphertext is made: the tag of AES-GCM is a polynomial in GHASH's key H over the ciphertext blocks, so for two
keys the equation "both tags are equal" is linear in any one block, and one free block solves it (Dodis et al.,
https://eprint.iacr.org/2019/016, section 3).
"""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from tests.unit.crypto.places import KEY, revision
from tests.vectors import reference
from vault.crypto import Key, open_blob
from vault.errors import BlobError

SALT = bytes(24)
OTHER_KEY = Key(KEY.id, bytes(range(32, 64)))
"""The same id: somebody who can swap keys would see to that."""

HEADER = reference.header(1, KEY.id)
ASSOCIATED = revision().associated_data(HEADER)
LENGTHS = (2 * 128).to_bytes(16, "big")
"""GHASH ends with the lengths in bits: no associated data, two blocks."""


def times(left: int, right: int) -> int:
    """Multiply in GF(2^128) as NIST SP 800-38D, section 6.3, writes it."""
    product = 0
    for bit in range(127, -1, -1):
        if left >> bit & 1:
            product ^= right
        right = right >> 1 ^ (0xE1 << 120 if right & 1 else 0)
    return product


def inverse(number: int) -> int:
    """number^(2^128 - 2)."""
    result, square = 1 << 127, number
    for _ in range(127):
        square = times(square, square)
        result = times(result, square)
    return result


def block(key: bytes, text: bytes) -> int:
    # ECB of one block is what GCM makes H and the tag's mask of.
    return int.from_bytes(Cipher(AES(key), ECB()).encryptor().update(text), "big")  # noqa: S305


def crafted(one: reference.Derived, other: reference.Derived) -> bytes:
    """Two blocks and a tag that AES-GCM opens under both keys and nonces."""
    hashes = [block(derived.aead_key, bytes(16)) for derived in (one, other)]
    masks = [block(derived.aead_key, derived.base_nonce + b"\x00\x00\x00\x01") for derived in (one, other)]
    first = int.from_bytes(b"the first block.", "big")
    ends = int.from_bytes(LENGTHS, "big")

    def without_second(hash_key: int, mask: int) -> int:
        square = times(hash_key, hash_key)
        return times(first, times(square, hash_key)) ^ times(ends, hash_key) ^ mask

    difference = without_second(hashes[0], masks[0]) ^ without_second(hashes[1], masks[1])
    squares = [times(hash_key, hash_key) for hash_key in hashes]
    second = times(difference, inverse(squares[0] ^ squares[1]))
    tag = without_second(hashes[0], masks[0]) ^ times(second, squares[0])
    return b"".join(part.to_bytes(16, "big") for part in (first, second, tag))


@pytest.fixture(scope="module")
def derived() -> tuple[reference.Derived, reference.Derived]:
    keys = (KEY.secret, OTHER_KEY.secret)
    one, other = (reference.derive(key, SALT, ASSOCIATED) for key in keys)
    return one, other


Both = tuple[reference.Derived, reference.Derived]


def test_bare_aes_gcm_opens_the_crafted_ciphertext_under_both_keys(derived: Both) -> None:
    ciphertext = crafted(*derived)
    plaintexts = {AESGCM(one.aead_key).decrypt(one.base_nonce, ciphertext, None) for one in derived}
    assert len(plaintexts) == 2


@pytest.mark.parametrize("committed", [0, 1])
def test_attack_7_a_blob_opens_only_under_the_key_that_it_commits_to(derived: Both, committed: int) -> None:
    blob = HEADER + SALT + derived[committed].commitment + crafted(*derived)
    keys = (KEY, OTHER_KEY)
    assert len(open_blob(keys[committed], revision(), blob)) == 32
    with pytest.raises(BlobError):
        open_blob(keys[1 - committed], revision(), blob)
