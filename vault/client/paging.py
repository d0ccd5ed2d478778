# Made from aio/paging.py by `make reference`. Change that file.

"""Lists that come in pages: follows them to their end, and refuses a list that has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from vault.client.reading import read_list, read_member, read_object, read_text
from vault.errors import TransportError
from vault.model.json_types import Json

PAGES_MAX = 10_000
"""Two million items in pages of 200. A person has at most some thousands of anything that is listed."""


def follow(ask: Callable[[Mapping[str, str]], Json], query: Mapping[str, str]) -> Iterator[Sequence[Json]]:
    """Yield the pages of a list. `ask` returns the page for a query.

    Raises `TransportError` if a page leads back to an earlier one, and for more than `PAGES_MAX` pages.
    """
    asked = dict(query)
    seen: set[str] = set()
    for _ in range(PAGES_MAX):
        page = read_object(ask(asked))
        yield read_list(read_member(page, "items"))
        if not page.get("next"):
            return
        cursor = read_text(page["next"])
        if cursor in seen:
            raise TransportError("The server's list leads back to an earlier page, so it has no end.")
        seen.add(cursor)
        asked["cursor"] = cursor
    raise TransportError(
        f"The server's list has more than {PAGES_MAX} pages. A Strongroom server never sends that many."
    )


def take(pages: Iterator[Sequence[Json]], at_most: int | None) -> list[Json]:
    """Return the items of a list, or its first ones. Asks for no page that is not needed."""
    found: list[Json] = []
    if at_most != 0:
        for page in pages:
            found += page
            if at_most is not None and len(found) >= at_most:
                break
    return found[:at_most]
