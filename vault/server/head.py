"""Limits on query fields and cookies. A parser makes an object for each one, so they are counted first."""

from __future__ import annotations

from collections.abc import Mapping

from vault.model.budgets import COOKIES_MOST, QUERY_FIELDS_MOST
from vault.server.refusal import bad_request


def check_head(query_string: bytes, headers: Mapping[bytes, bytes]) -> None:
    """Raise `Refusal` for too many query fields or too many cookies."""
    if query_string.count(b"&") >= QUERY_FIELDS_MOST:
        raise bad_request(f"The query is too long. Send at most {QUERY_FIELDS_MOST} fields.", cause="query_fields")
    if headers.get(b"cookie", b"").count(b";") >= COOKIES_MOST:
        raise bad_request(f"The Cookie header is too long. Send at most {COOKIES_MOST} cookies.", cause="cookies")
