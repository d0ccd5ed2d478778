"""The feed over WebSockets: hello, subscriptions, what a client may not do, and where it may come from."""

from __future__ import annotations

import json
import time

import pytest

from tests.integration.server.socket_client import BINARY, CLOSE, TEXT
from tests.integration.sync.house import House
from tests.support.vaults import as_token, log_in, patch, write


@pytest.fixture
def house(sqlite_house: House) -> House:
    """No database changes what is tested here."""
    return sqlite_house


def test_a_service_says_what_it_follows_and_is_told(house: House) -> None:
    ada = house.person()
    environment = house.environment(ada)
    socket = house.socket(house.token(ada, "prod"))
    hello = socket.told()
    assert (hello["type"], hello["ping_seconds"]) == ("hello", 25)
    cursor = socket.subscribe(environments=["prod"])
    assert len(cursor) == len(hello["cursor"])
    patch(house.vault, ada, "prod", A="2")
    change = socket.told()
    assert {name: change[name] for name in ("type", "kind", "environment", "revision", "affects")} == {
        "type": "change",
        "kind": "write",
        "environment": {"id": environment, "name": "prod"},
        "revision": 2,
        "affects": ["prod"],
    }


def test_what_came_after_hello_is_told_to_one_who_subscribes_after_it(house: House) -> None:
    ada = house.person()
    house.environment(ada)
    socket = house.socket(house.token(ada, "prod"))
    hello = socket.told()
    patch(house.vault, ada, "prod", A="2")
    assert socket.subscribe(environments=["prod"], after=hello["cursor"]) == hello["cursor"]
    change = socket.told()
    assert change["revision"] == 2
    again = house.socket(house.token(ada, "prod"))
    again.told()
    again.subscribe(environments=["prod"], after=change["cursor"])
    patch(house.vault, ada, "prod", A="3")
    assert again.told()["revision"] == 3


def test_a_later_subscription_replaces_the_earlier_one(house: House) -> None:
    ada = house.person()
    house.environment(ada, "prod")
    house.environment(ada, "dev")
    socket = house.socket(house.token(ada, "prod", "dev"))
    socket.told()
    socket.subscribe(environments=["prod"])
    patch(house.vault, ada, "prod", A="2")
    assert socket.told()["affects"] == ["prod"]
    socket.subscribe(environments=["dev"])
    patch(house.vault, ada, "prod", A="3")
    patch(house.vault, ada, "dev", A="2")
    assert socket.told()["affects"] == ["dev"]
    socket.subscribe(all=True)
    patch(house.vault, ada, "prod", A="4")
    change = socket.told()
    assert change["environment"]["name"] == "prod"
    assert "affects" not in change


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", 4400),
        ("[]", 4400),
        ('{"type":"other"}', 4400),
        ('{"type":"subscribe"}', 4400),
        ('{"type":"subscribe","environments":["prod"],"after":"not a cursor"}', 4400),
        ('{"type":"ticket","ticket":"srm_x"}', 4400),
        ('{"type":"subscribe","environments":["dev"]}', 4404),
    ],
)
def test_a_message_that_cannot_be_accepted_closes_the_socket(house: House, text: str, code: int) -> None:
    ada = house.person()
    house.environment(ada)
    house.environment(ada, "dev")
    socket = house.socket(house.token(ada, "prod"))
    socket.told()
    socket.send(TEXT, text.encode())
    arrived = socket.next()
    assert (arrived.opcode, arrived.code) == (CLOSE, code)
    assert arrived.payload[2:].decode()


def test_a_cursor_of_another_person_is_expired(house: House) -> None:
    ada, eve = house.person(), house.person()
    house.environment(ada)
    house.environment(eve)
    other = house.socket(house.token(eve, "prod")).told()["cursor"]
    socket = house.socket(house.token(ada, "prod"))
    socket.told()
    socket.say(type="subscribe", environments=["prod"], after=other)
    assert socket.code() == 4410
    token = house.token(ada, "prod")
    status, problem = house.poll(token, environment="prod", after=other)
    assert (status, problem["code"]) == (410, "cursor_expired")
    stream = house.stream(token, environment="prod", after=other)
    assert (stream.status, stream.problem["code"]) == (410, "cursor_expired")


def test_a_binary_message_closes_the_socket(house: House) -> None:
    ada = house.person()
    house.environment(ada)
    binary = house.socket(house.token(ada, "prod"))
    binary.told()
    binary.send(BINARY, b"{}")
    assert binary.code() == 1003


def test_a_flood_of_subscriptions_costs_no_more_than_ten_a_second(house: House) -> None:
    """A fast server closes the socket. A slow one makes the client wait, because it takes one message at a time."""
    ada = house.person()
    house.environment(ada)
    flood = house.socket(house.token(ada, "prod"))
    flood.told()
    started, answered, sent = time.monotonic(), 0, 50
    for _ in range(sent):
        flood.say(type="subscribe", environments=["prod"])
    while answered < sent:
        arrived = flood.next()
        if arrived.opcode == CLOSE:
            assert arrived.code == 1008
            break
        answered += 1
    assert answered <= 10 + 10 * (time.monotonic() - started)


def test_an_origin_must_be_the_vault_s_own(house: House) -> None:
    ada = house.person()
    house.environment(ada)
    own = house.server.url
    bearer = f"Authorization: Bearer {house.token(ada, 'prod')}"
    cookie = f"Cookie: __Host-strongroom={log_in(house.vault, ada.username, kind='web').secret}"
    house.socket(house.token(ada, "prod"), f"Origin: {own}").told()
    for lines in (
        (bearer, "Origin: https://evil.example"),
        (bearer, "Origin: null"),
        (bearer, f"Origin: {own}.evil.example"),
        (bearer, f"Origin: {own.replace('https', 'http')}"),
        (cookie, "Origin: https://evil.example"),
        (cookie,),
    ):
        refused = house.refusal(*lines)
        assert (refused.status, refused.json()["code"]) == (403, "forbidden"), lines
        assert refused.headers["x-request-id"]


def test_who_has_no_valid_credential_is_refused_before_the_upgrade(house: House) -> None:
    own = f"Origin: {house.server.url}"
    web = log_in(house.vault, house.person().username, kind="web").secret
    for lines in (
        (),
        (own,),
        ("Authorization: Bearer srm_t_nothing",),
        ("Authorization: Bearer srm_t_nothing", own),
        ("Cookie: __Host-strongroom=srm_s_nothing", own),
        (f"Authorization: Bearer {web}",),
    ):
        refused = house.refusal(*lines)
        assert (refused.status, refused.json()["code"]) == (401, "not_authenticated"), lines
        assert refused.headers["www-authenticate"] == "Bearer"


def test_plain_http_on_the_address_of_the_sockets_says_what_it_speaks(house: House) -> None:
    connection = house.server.connect()
    try:
        connection.request("GET", "/api/v1/sync")
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Upgrade")) == (426, "websocket")
        assert "WebSocket" in json.loads(answer.read())["detail"]
    finally:
        connection.close()


def test_a_socket_that_subscribes_to_nothing_is_told_nothing_and_ends_with_its_credential(house: House) -> None:
    """Otherwise it would keep its seat, and somebody with a stolen token could keep all of the owner's seats."""
    ada = house.person()
    house.environment(ada)
    secret = house.token(ada, "prod")
    sockets = [house.socket(secret) for _ in range(3)]
    assert [each.told()["type"] for each in sockets] == ["hello"] * 3
    patch(house.vault, ada, "prod", A="2")
    token = as_token(house.vault, secret)
    write(house.vault, lambda unit: house.vault.tokens.tokens.revoke(unit, ada, token.id))
    assert [each.next().code for each in sockets] == [4401] * 3
