"""The ETags that a caller says it has."""

from __future__ import annotations

import pytest
from flask import Flask

from vault.http import known_etags, quoted, unquoted


@pytest.mark.parametrize(
    ("given", "known", "unknown"),
    [
        ('"a"', ["a"], ["b", ""]),
        ('"a", "b"', ["a", "b"], ["c"]),
        ('W/"a"', ["a"], ["W/a"]),
        ('"a" , W/"b"', ["a", "b"], [" a"]),
        ("*", ["a", "anything"], []),
        (" * ", ["a"], []),
        ('"*"', ["*"], ["a"]),
        ("", [], ["", "a"]),
    ],
)
def test_the_caller_has_what_it_names(given: str, known: list[str], unknown: list[str]) -> None:
    with Flask("x").test_request_context(headers={"If-None-Match": given}):
        found = known_etags()
    assert all(etag in found for etag in known)
    assert not any(etag in found for etag in unknown)


def test_without_the_header_the_caller_has_nothing() -> None:
    with Flask("x").test_request_context():
        assert known_etags() == ()


def test_an_etag_comes_back_as_it_was_sent() -> None:
    assert quoted("a") == '"a"'
    assert unquoted(quoted("a")) == "a"
