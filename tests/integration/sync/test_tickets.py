"""WebSockets of pages: a ticket counts once, for its session, and for half a minute."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import FreshDatabase
from tests.integration.server.conftest import Raw, Reply
from tests.integration.server.socket_client import CLOSE, handshake
from tests.integration.sync.house import House, Socket
from tests.integration.sync.without_server import Opened
from tests.support.patience import eventually
from tests.support.vaults import add_person, as_session, log_in, make_vault, patch, run_sql, write
from vault.asgi import Message
from vault.model.principal import Principal
from vault.sync import Live, websocket


@pytest.fixture
def house(sqlite_house: House) -> House:
    """No database changes what is tested here."""
    return sqlite_house


class Page:
    """A person's page: its session, and tickets of it."""

    def __init__(self, house: House, ada: Principal) -> None:
        self.house = house
        self.cookie = log_in(house.vault, ada.username, kind="web").secret
        self.principal = as_session(house.vault, self.cookie, kind="web")

    def ticket(self) -> str:
        return write(self.house.vault, lambda unit: self.house.vault.sync.tickets.issue(unit, self.principal))

    def socket(self, ticket: str) -> Socket:
        socket = self.house.page_socket(self.cookie)
        socket.say(type="ticket", ticket=ticket)
        return socket


def closed_before_hello(socket: Socket) -> int:
    """Return the code of the close frame, which must be the first frame."""
    arrived = socket.next()
    assert arrived.opcode == CLOSE, arrived
    return arrived.code


@pytest.fixture
def ada(house: House) -> Principal:
    made = house.person()
    house.environment(made)
    return made


@pytest.fixture
def page(house: House, ada: Principal) -> Page:
    return Page(house, ada)


def test_a_ticket_opens_one_socket_which_is_then_told(house: House, ada: Principal, page: Page) -> None:
    socket = page.socket(page.ticket())
    assert socket.told()["type"] == "hello"
    socket.subscribe(environments=["prod"])
    patch(house.vault, ada, "prod", A="2")
    assert socket.told()["revision"] == 2
    session = page.principal.id
    write(house.vault, lambda unit: house.vault.people.sessions.revoke(unit, ada, session))
    assert socket.code() == 4401


def used(house: House, page: Page) -> str:
    ticket = page.ticket()
    assert page.socket(ticket).told()["type"] == "hello"
    return ticket


def late(house: House, page: Page) -> str:
    ticket = page.ticket()
    # One second past its thirty: the clock of the server cannot be moved.
    run_sql(house.vault, "UPDATE sync_tickets SET expires_us = expires_us - 31000000")
    return ticket


def of_another_session(house: House, page: Page) -> str:
    return Page(house, page.principal).ticket()


def of_another_person(house: House, page: Page) -> str:
    return Page(house, house.person()).ticket()


def made_up(house: House, page: Page) -> str:
    return page.ticket()[:-1] + "x"


@pytest.mark.parametrize("ticket_of", [used, late, of_another_session, of_another_person, made_up])
def test_a_ticket_that_does_not_count_closes_the_socket_before_hello(
    house: House, page: Page, ticket_of: Callable[[House, Page], str]
) -> None:
    assert closed_before_hello(page.socket(ticket_of(house, page))) == 4401


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "subscribe", "environments": ["prod"]}, 4408),
        ({"type": "ticket"}, 4400),
        ({"type": "other"}, 4400),
    ],
)
def test_the_first_message_must_be_a_ticket(page: Page, message: dict[str, object], code: int) -> None:
    socket = page.house.page_socket(page.cookie)
    socket.say(**message)
    assert closed_before_hello(socket) == code


def test_a_socket_without_a_ticket_is_closed_after_a_while(
    tmp_path: Path, fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "TICKET_SECONDS", 0.05)
    vault = make_vault(tmp_path, fresh_database("sqlite"))
    add_person(vault)
    cookie = f"__Host-strongroom={log_in(vault, 'ada', kind='web').secret}"
    headers = {b"cookie": cookie.encode(), b"origin": vault.settings.origin.encode()}

    async def test() -> list[Message]:
        opened = Opened(Live(vault), "websocket", "/api/v1/sync", headers)
        await opened.ended()
        return opened.sent

    accepted, closed = asyncio.run(test())
    vault.close()
    assert accepted["type"] == "websocket.accept"
    assert (closed["type"], closed["code"]) == ("websocket.close", 4408)


def test_sockets_that_wait_for_a_ticket_are_few_and_make_room_again(house: House, page: Page) -> None:
    limit = house.vault.settings.max_requests_in_flight_per_caller * house.vault.settings.workers
    lines = (f"Cookie: __Host-strongroom={page.cookie}", f"Origin: {house.server.url}")
    waiting: list[Raw] = []
    refused: list[Reply] = []
    try:
        while not refused and len(waiting) <= limit + 1:
            raw = Raw(house.server)
            waiting.append(raw)
            raw.send(handshake("/api/v1/sync", *lines))
            answer = raw.reply()
            if answer.status != 101:
                refused.append(answer)
    finally:
        for raw in waiting:
            raw.close()
    assert [each.status for each in refused] in ([429], [503])
    assert int(refused[0].headers["retry-after"]) > 0
    opened: list[Socket] = []

    def opens() -> bool:
        with contextlib.suppress(AssertionError):
            opened.append(page.socket(page.ticket()))
        return bool(opened)

    assert eventually(opens)
    assert opened[0].told()["type"] == "hello"
