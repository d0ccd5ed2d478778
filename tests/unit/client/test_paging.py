"""Lists in pages: an end is reached, or the list is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, cycle

import pytest

from tests.unit.client.fake_transport import ENVIRONMENT, FakeTransport, answer, page
from vault.client import Client, Request, Response
from vault.client.paging import PAGES_MAX
from vault.errors import TransportError

LISTS: dict[str, Callable[[Client], object]] = {
    "environments": lambda client: client.environments.list(),
    "tokens": lambda client: client.tokens.list(),
    "sessions": lambda client: client.sessions.list(),
    "revisions": lambda client: client.environment("prod").revisions(),
}


class Endless(FakeTransport):
    """Answers every call with the next of the pages, up to one that ends the list."""

    def __init__(self, pages: Iterator[Response]) -> None:
        super().__init__()
        self._pages = pages

    def send(self, request: Request) -> Response:
        self.requests.append(request)
        # Without a bound, a test must fail and not run for ever.
        return page() if len(self.requests) > PAGES_MAX + 10 else next(self._pages)


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("cursors", [["a"], ["a", "b"], ["a", "b", "c", "a"]])
def test_a_list_that_leads_back_is_refused(name: str, cursors: list[str]) -> None:
    server = Endless(page(following=cursor) for cursor in cycle(cursors))
    with pytest.raises(TransportError, match="leads back to an earlier page"):
        LISTS[name](Client("https://vault.test", "srm_t_canary", transport=server))
    assert len(server.requests) == len(set(cursors)) + 1


@pytest.mark.parametrize("name", LISTS)
def test_a_list_without_end_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.client.paging.PAGES_MAX", 50)
    server = Endless(page(following=str(number)) for number in count())
    with pytest.raises(TransportError, match="more than 50 pages"):
        LISTS[name](Client("https://vault.test", "srm_t_canary", transport=server))
    assert len(server.requests) == 50


@pytest.mark.parametrize("cursor", [7, ["a"], {"a": 1}, True])
def test_a_cursor_that_is_no_text_is_refused(cursor: object, client: Client, server: FakeTransport) -> None:
    server.on("GET", "/environments?limit=200", answer({"items": [ENVIRONMENT], "next": cursor}))
    with pytest.raises(TransportError, match="not from a Strongroom server"):
        client.environments.list()
