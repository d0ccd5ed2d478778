"""HMAC-SHA256 with hashed pads gives what the standard library gives."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.crypto import Key
from vault.crypto.key import pads
from vault.crypto.prf import hmac_sha256


@given(st.uuids().map(str), st.binary(min_size=32, max_size=32), st.binary(max_size=200))
def test_it_is_hmac(key_id: str, secret: bytes, message: bytes) -> None:
    key = Key(key_id, secret)
    expected = hmac.digest(secret, message, "sha256")
    assert [hmac_sha256(key, message) for _ in range(2)] == [expected, expected]


def test_a_key_over_one_block_is_refused() -> None:
    with pytest.raises(ValueError, match="RFC 2104"):
        pads(bytes(65))
