"""ETags of requests and answers (RFC 9110, section 8.8.3)."""

from __future__ import annotations

from flask import request


class _AnyEtag(tuple[str, ...]):
    """`*` (RFC 9110, section 13.1.2): the caller has the current answer, whatever its ETag is."""

    def __contains__(self, etag: object) -> bool:
        return True


def known_etags() -> tuple[str, ...]:
    """Return the ETags of the answers that the caller already has."""
    given: str = request.environ.get("HTTP_IF_NONE_MATCH", "")
    if given.strip() == "*":
        return _AnyEtag()
    return tuple(unquoted(part) for part in given.split(",")) if given else ()


def unquoted(tag: str) -> str:
    """Return the ETag from a header, without its quotes."""
    return tag.strip().removeprefix("W/").strip('"')


def quoted(etag: str) -> str:
    """Return an ETag with quotes, for a header."""
    return f'"{etag}"'
