"""Limits on query fields and cookies, which are counted before a parser makes objects, and paths with one spelling."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from vault.model.budgets import COOKIES_MOST, QUERY_FIELDS_MOST
from vault.server.refusal import bad_request, no_such_path

_FIXED_PARTS = {b"api": 3, b"v1": 2}
"""How many parts of a path hold no name, by its first part: `/api/v1/operator`, `/v1/sys`. For pages it is one."""

_DOTS = (b".", b"..")
_HALF_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def check_head(query_string: bytes, headers: Mapping[bytes, bytes]) -> None:
    """Raise `Refusal` for too many query fields, too many cookies, or a query with a malformed escape."""
    _require_escapes(query_string, "query")
    if query_string.count(b"&") >= QUERY_FIELDS_MOST:
        raise bad_request(f"The query is too long. Send at most {QUERY_FIELDS_MOST} fields.", cause="query_fields")
    if headers.get(b"cookie", b"").count(b";") >= COOKIES_MOST:
        raise bad_request(f"The Cookie header is too long. Send at most {COOKIES_MOST} cookies.", cause="cookies")


def check_path(raw_path: bytes) -> None:
    """Raise `Refusal` for a path that a proxy's rule may read as another path than the application does.

    Those are paths that begin with two slashes, that encode a part that is no name, that have a dot segment, a
    backslash, or a `%` without two digits: some proxies read a backslash as a slash, and drop a `;` and what follows
    it from a part. In names under /v1, the face itself answers dot segments, with a reason.
    """
    _require_escapes(raw_path, "path")
    if b"\\" in raw_path:
        raise bad_request("The path has a backslash. Send one that is in a name as %5C.", cause="path")
    first, *_ = parts = raw_path[1:].split(b"/")
    fixed = parts[: _FIXED_PARTS.get(first, 1)]
    has_dots = any(map(_is_dots, fixed if first == b"v1" else unquote_to_bytes(raw_path).split(b"/")))
    if raw_path.startswith(b"//") or has_dots or any(b"%" in part for part in fixed):
        raise no_such_path()


def _is_dots(part: bytes) -> bool:
    """Report whether a program may read a decoded part of a path as `.` or `..`, such as `..;x` and `..\\x`."""
    return any(piece.partition(b";")[0] in _DOTS for piece in part.split(b"\\"))


def _require_escapes(text: bytes, what: str) -> None:
    # The standard's decoders leave such a `%` as it is, and others refuse it or drop it.
    if b"%" in text and _HALF_ESCAPE.search(text):
        detail = f"The {what} has a % without two hexadecimal digits after it. Send a percent sign as %25."
        raise bad_request(detail, cause="escape")
