"""Selects the rows above a limit, for tables that delete their oldest rows when new ones are added."""

from __future__ import annotations

from vault.storage.sql_types import AnySelect

_AT_ONCE = 1000
"""Deleting more rows at once would make the call that adds a row slow."""


def beyond(most: int, newest_first: AnySelect, *, at_once: int = _AT_ONCE) -> AnySelect:
    """Return a statement for the rows after the first `most`, at most `at_once` of them."""
    # SQLite has no OFFSET without a LIMIT.
    return newest_first.limit(at_once).offset(most)
