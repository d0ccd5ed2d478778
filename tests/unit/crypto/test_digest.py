"""Keyed digests: other parts, another purpose or another key give another digest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.crypto.places import KEY, OTHER_KEY
from vault.crypto import keyed_digest

parts = st.lists(st.binary(max_size=3) | st.text(max_size=3), max_size=3)


@given(parts, parts)
def test_parts_never_run_into_each_other(one: list[bytes | str], other: list[bytes | str]) -> None:
    assert (keyed_digest(KEY, "etag", *one) == keyed_digest(KEY, "etag", *other)) == (one == other)


def test_text_and_bytes_differ() -> None:
    assert keyed_digest(KEY, "etag", "a") != keyed_digest(KEY, "etag", b"a")


def test_another_purpose_or_key_gives_another_digest() -> None:
    digests = {keyed_digest(KEY, "etag", "a"), keyed_digest(KEY, "throttle", "a"), keyed_digest(OTHER_KEY, "etag", "a")}
    assert len(digests) == 3
    assert {len(digest) for digest in digests} == {32}


def test_half_of_a_surrogate_pair_has_a_digest() -> None:
    assert keyed_digest(KEY, "throttle", "\ud800") != keyed_digest(KEY, "throttle", "\ud801")
