"""The feed over HTTP/2, for pages, while the server drains, and what is logged of it."""

from __future__ import annotations

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import h2.events
import pytest

from tests.integration.server.http2_client import Http2
from tests.integration.sync.house import House, Stream
from tests.support.patience import eventually
from tests.support.vaults import log_in, patch


@pytest.fixture
def house(sqlite_house: House) -> House:
    """No database changes what is tested here."""
    return sqlite_house


def read_events(client: Http2, stream: int, count: int) -> list[str]:
    """Return the first events of an HTTP/2 stream, as texts."""
    received = b""
    while received.count(b"\n\nevent: ") + received.startswith(b"event: ") < count or not received.endswith(b"\n\n"):
        for event in client.events():
            if isinstance(event, h2.events.DataReceived) and event.stream_id == stream:
                received += event.data
                client.h2.acknowledge_received_data(event.flow_controlled_length, stream)
                client.flush()
            assert not isinstance(event, h2.events.StreamEnded | h2.events.StreamReset), received
    return received.decode().split("\n\n")


def test_an_event_stream_over_http2_beside_other_calls_on_its_connection(house: House) -> None:
    ada = house.person()
    house.environment(ada)
    bearer = ("authorization", f"Bearer {house.token(ada, 'prod')}")
    client = Http2(house.server)
    try:
        stream = client.start("GET", "/api/v1/changes?environment=prod", ("accept", "text/event-stream"), bearer)
        client.send(stream, b"")
        read_events(client, stream, 1)
        patch(house.vault, ada, "prod", A="2")
        (event,) = (each for each in read_events(client, stream, 1) if each.startswith("event: change"))
        assert json.loads(event.split("data: ")[1])["revision"] == 2
    finally:
        client.close()


def page_stream(house: House, cookie: str, query: str = "environment=prod", **headers: str) -> Stream:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return house.opened(f"/changes?{query}", {"Cookie": f"__Host-strongroom={cookie}", **named})


def test_a_page_follows_behind_its_cookie_and_from_its_own_origin_alone(house: House) -> None:
    ada = house.person()
    environment = house.environment(ada)
    cookie = log_in(house.vault, ada.username, kind="web").secret
    stream = page_stream(house, cookie, f"environment={environment}", Sec_Fetch_Site="same-origin")
    assert stream.next()
    patch(house.vault, ada, "prod", A="2")
    assert stream.change().data["affects"] == [environment]
    assert page_stream(house, cookie, Origin=house.server.url).status == 200
    for headers in (
        {},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "cross-site", "Origin": house.server.url},
        {"Sec_Fetch_Site": "none"},
        {"Origin": "https://evil.example"},
    ):
        refused = page_stream(house, cookie, **headers)
        assert (refused.status, refused.problem["code"]) == (403, "forbidden"), headers
    # A session of the API is no cookie, and a cookie is no session of the API.
    api = log_in(house.vault, ada.username).secret
    assert page_stream(house, api, Sec_Fetch_Site="same-origin").status == 401
    assert house.stream(cookie, environment="prod").status == 401


def test_the_end_of_a_page_s_session_ends_its_stream(house: House) -> None:
    ada = house.person()
    house.environment(ada)
    session = log_in(house.vault, ada.username, kind="web")
    stream = page_stream(house, session.secret, Sec_Fetch_Site="same-origin")
    assert stream.next()
    with house.vault.storage.write() as unit:
        house.vault.people.sessions.revoke(unit, ada, session.session.id)
    event = stream.next()
    assert event is not None
    assert (event.type, event.data["code"]) == ("end", "not_authenticated")


def test_each_call_has_one_line_in_the_log_with_its_route_and_its_end(house: House) -> None:
    ada = house.person()
    environment = house.environment(ada)
    secret = house.token(ada, "prod")
    before = len(house.server.log)
    stream = house.stream(secret, environment=environment)
    cursor = stream.next()
    assert cursor is not None
    stream.close()
    socket = house.socket(secret)
    socket.told()
    socket.say(type="other")
    assert socket.code() == 4400
    house.poll(secret, environment=environment, after=cursor.id)
    own = {stream.response.headers["X-Request-Id"], socket.accepted.headers["x-request-id"]}

    def ends() -> list[tuple[Any, Any, Any]]:
        lines = [json.loads(line) for line in house.server.log[before:].splitlines() if '"ending"' in line]
        # A stream of an earlier test may end late. No other test polls meanwhile.
        lines = [line for line in lines if line["request_id"] in own or line["ending"] == "answered"]
        return sorted((line["event"], line["route"], line["ending"]) for line in lines)

    expected = [
        ("request", "/api/v1/changes", "answered"),
        ("request", "/api/v1/changes", "client_gone"),
        ("request", "/api/v1/sync", "invalid_input"),
    ]
    assert eventually(lambda: ends() == expected), ends()
    for secret_text in (environment, secret, cursor.id):
        assert secret_text not in house.server.log


# The last test of this file: the workers that all share are replaced.
def test_a_drain_tells_everybody_to_come_back(house: House) -> None:
    ada = house.person()
    house.environment(ada)
    secret = house.token(ada, "prod")
    stream, socket = house.stream(secret, environment="prod"), house.socket(secret)
    assert stream.next()
    socket.told()
    cursor = house.poll(secret, environment="prod")[1]["cursor"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(house.poll, secret, environment="prod", after=cursor, wait=60)
        # Two streams and a poll: the log names each when it ends.
        house.server.send_signal(signal.SIGHUP)
        event = stream.next()
        assert event is not None
        assert (event.type, event.data["code"]) == ("end", "restarting")
        assert stream.next() is None
        assert 0 <= stream.retry[-1] <= 10_000
        assert socket.code() == 1012
        status, answer = waiting.result()
    assert (status, answer["changes"]) == (200, [])
    # The new workers take up where the old ones stopped.
    patch(house.vault, ada, "prod", A="2")
    again = house.stream(secret, environment="prod", after=answer["cursor"])
    assert again.next()
    assert again.change().data["revision"] == 2
