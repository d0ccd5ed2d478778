"""What a request's head may hold, in numbers: a parser makes an object of each field of a query and of each cookie."""

from __future__ import annotations

from collections.abc import Mapping

from vault.model.budgets import COOKIES_MOST, QUERY_FIELDS_MOST
from vault.server.refusal import bad_request


def check_head(query_string: bytes, headers: Mapping[bytes, bytes]) -> None:
    """Raise `Refusal` for a query of too many fields, or too many cookies."""
    if query_string.count(b"&") >= QUERY_FIELDS_MOST:
        raise bad_request(f"A query has at most {QUERY_FIELDS_MOST} fields.", cause="query_fields")
    if headers.get(b"cookie", b"").count(b";") >= COOKIES_MOST:
        raise bad_request(f"A request has at most {COOKIES_MOST} cookies.", cause="cookies")
