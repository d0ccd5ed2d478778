"""Selects what is past a number of rows, for tables in which the oldest rows make room for new ones."""

from __future__ import annotations

from vault.storage.sql_types import AnySelect

_AT_ONCE = 1000
"""Deleting more rows in one step would make the call that adds a row slow."""


def beyond(most: int, newest_first: AnySelect, *, at_once: int = _AT_ONCE) -> AnySelect:
    """The rows of an ordered statement after the first `most`, at most `at_once` of them."""
    # SQLite has no OFFSET without a LIMIT.
    return newest_first.limit(at_once).offset(most)
