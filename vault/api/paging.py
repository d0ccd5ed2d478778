"""Lists in pages: the cursor in a request, and the link to the next page in an answer."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypedDict, TypeVar
from urllib.parse import quote

from flask import request

from vault.errors import InvalidInput
from vault.model.digits import BIGINT_MOST
from vault.model.strict_json import is_encodable

T = TypeVar("T")
K = TypeVar("K", int, str)

Key = int | str
"""A part of a position: what a list is sorted by."""


class Items(TypedDict):
    """One page: its items, and the cursor of the next page, or None after the last."""

    items: Sequence[object]
    next: str | None


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page of a list to return: at most `limit` items, after the position in `cursor`."""

    cursor: str | None
    limit: int

    @property
    def one_more(self) -> int:
        """Return how many items to read: one more than were asked for, to see whether there is a next page."""
        return self.limit + 1

    def key(self, kind: type[K]) -> K | None:
        """Return the position in a list that is sorted by one key. Raises `InvalidInput`."""
        place = self._place(kind)
        if place is None:
            return None
        (key,) = place
        assert isinstance(key, kind)
        return key

    def time_and_id(self) -> tuple[int, str] | None:
        """Return the position in a list that is sorted by time and id. Raises `InvalidInput`."""
        place = self._place(int, str)
        if place is None:
            return None
        time_us, id = place
        assert isinstance(time_us, int)
        assert isinstance(id, str)
        return time_us, id

    def answer(self, found: Sequence[T], place: Callable[[T], Sequence[Key]]) -> tuple[Items, dict[str, str]]:
        """Return one page of what was found, and the `Link` header of the next page (RFC 8288)."""
        if len(found) <= self.limit:
            return {"items": found, "next": None}, {}
        following = _cursor(place(found[self.limit - 1]))
        pairs = [(name, value) for name, value in request.args.items(multi=True) if name != "cursor"]
        query = "&".join(
            f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in [*pairs, ("cursor", following)]
        )
        # A header must be ASCII, but the path is already decoded.
        link = f'<{quote(request.path)}?{query}>; rel="next"'
        return {"items": found[: self.limit], "next": following}, {"Link": link}

    def _place(self, *kinds: type[Key]) -> list[Key] | None:
        if not self.cursor:
            return None
        try:
            place = json.loads(base64.urlsafe_b64decode(self.cursor + "=" * (-len(self.cursor) % 4)))
        except (binascii.Error, ValueError, RecursionError) as error:
            raise InvalidInput(
                "This cursor is not valid. Send the `next` of the previous page.", path="cursor"
            ) from error
        if not isinstance(place, list) or [type(part) for part in place] != list(kinds) or not all(map(_can_be, place)):
            raise InvalidInput("This cursor is not valid. Send the `next` of the previous page.", path="cursor")
        return place


def _can_be(part: Key) -> bool:
    # Our cursors never contain NULs, surrogates or out-of-range integers. No database can compare these.
    if isinstance(part, int):
        return 0 <= part <= BIGINT_MOST
    return "\0" not in part and is_encodable(part)


def _cursor(place: Sequence[Key]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")
