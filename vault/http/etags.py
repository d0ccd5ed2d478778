"""ETags (RFC 9110, section 8.8.3): those that the caller has, and ours in a header."""

from __future__ import annotations

from flask import request


class _AnyEtag(tuple[str, ...]):
    """`*` (RFC 9110, section 13.1.2): the caller has the current answer, whatever its ETag is."""

    def __contains__(self, etag: object) -> bool:
        return True


def known_etags() -> tuple[str, ...]:
    """The ETags of the answers that the caller already has."""
    given: str = request.environ.get("HTTP_IF_NONE_MATCH", "")
    if given.strip() == "*":
        return _AnyEtag()
    return tuple(unquoted(part) for part in given.split(",")) if given else ()


def unquoted(tag: str) -> str:
    """The ETag in a header, without its quotes."""
    return tag.strip().removeprefix("W/").strip('"')


def quoted(etag: str) -> str:
    """An ETag as it stands in a header."""
    return f'"{etag}"'
