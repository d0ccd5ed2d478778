"""Changes are told to each kind of follower, on each worker, in order, once, and none is lost."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from tests.integration.sync.house import House
from tests.support.vaults import patch, write


def test_a_change_made_elsewhere_is_told_on_each_worker(house: House) -> None:
    ada = house.person()
    environment = house.environment(ada)
    token = house.token(ada, "prod")
    streams = [house.stream(token, environment="prod") for _ in range(6)]
    for stream in streams:
        hello = stream.next()
        assert hello is not None
        assert (hello.type, hello.id, stream.retry) == ("hello", hello.data["cursor"], [3000])
    patch(house.vault, ada, "prod", A="2")
    for stream in streams:
        event = stream.change()
        assert event.data == {
            "type": "change",
            "cursor": event.id,
            "kind": "write",
            "environment": {"id": environment, "name": "prod"},
            "revision": 2,
            "affects": ["prod"],
        }


def test_a_stream_has_the_headers_that_keep_proxies_from_holding_it_back(house: House) -> None:
    ada = house.person()
    house.environment(ada)
    stream = house.stream(house.token(ada, "prod"), environment="prod")
    headers = {name.lower(): value for name, value in stream.response.getheaders()}
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-store"
    assert headers["x-accel-buffering"] == "no"
    assert "content-length" not in headers


def test_a_client_that_comes_back_is_told_what_it_missed_and_nothing_twice(house: House) -> None:
    ada = house.person()
    house.environment(ada)
    token = house.token(ada, "prod")
    with house.stream(token, environment="prod") as stream:
        stream.next()
        patch(house.vault, ada, "prod", A="2")
        seen = stream.change()
    patch(house.vault, ada, "prod", A="3")
    patch(house.vault, ada, "prod", A="4")
    for query, headers in (({"after": seen.id}, {}), ({"after": "ignored"}, {"Last-Event-ID": seen.id})):
        again = house.stream(token, headers, environment="prod", **query)
        hello = again.next()
        assert hello is not None
        assert hello.id == seen.id
        # The older of two changes of one environment may be left out.
        numbers = [again.change().data["revision"]]
        while numbers[-1] != 4:
            numbers.append(again.change().data["revision"])
        assert numbers in ([3, 4], [4])


def test_nothing_is_lost_between_the_subscription_and_the_first_look(house: House) -> None:
    """A writer writes all the time while streams are opened: each ends with the last revision."""
    ada = house.person()
    house.environment(ada)
    token = house.token(ada, "prod")

    def open_and_read(_number: int) -> list[int]:
        with house.stream(token, environment="prod") as stream:
            stream.next()
            numbers: list[int] = []
            while not numbers or numbers[-1] < 41:
                numbers.append(stream.change().data["revision"])
            return numbers

    with ThreadPoolExecutor(6) as pool:
        readers = [pool.submit(open_and_read, number) for number in range(6)]
        for number in range(40):
            patch(house.vault, ada, "prod", A=f"value {number}")
        for reader in readers:
            numbers = reader.result()
            assert numbers[-1] == 41
            assert numbers == sorted(set(numbers)), "A change was told twice, or out of order."


def test_a_person_s_change_is_told_to_nobody_else(house: House) -> None:
    ada, eve = house.person(), house.person()
    house.environment(ada)
    house.environment(eve)
    stream = house.stream(house.token(eve, "prod"), environment="prod")
    stream.next()
    patch(house.vault, ada, "prod", A="2")
    patch(house.vault, eve, "prod", A="other")
    assert stream.change().data["affects"] == ["prod"]
    patch(house.vault, eve, "prod", A="third")
    assert stream.change().data["revision"] == 3


def test_a_poll_begins_now_waits_and_goes_on_after_its_cursor(house: House) -> None:
    ada = house.person()
    environment = house.environment(ada)
    token = house.token(ada, "prod")
    status, first = house.poll(token, environment="prod", wait=60)
    assert (status, first["changes"], first["more"]) == (200, [], False)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(house.poll, token, environment="prod", after=first["cursor"], wait=60)
        patch(house.vault, ada, "prod", A="2")
        status, second = waiting.result()
    assert status == 200
    assert second["changes"] == [
        {
            "type": "change",
            "kind": "write",
            "environment": {"id": environment, "name": "prod"},
            "revision": 2,
            "affects": ["prod"],
        }
    ]
    # What waits already is told at once, and again for the same cursor.
    for wait in (0, 60):
        assert (
            house.poll(token, environment="prod", after=first["cursor"], wait=wait)[1]["changes"] == second["changes"]
        )
    status, third = house.poll(token, environment="prod", after=second["cursor"], wait=1)
    assert (status, third["changes"]) == (200, [])
    assert len(third["cursor"]) == len(second["cursor"])
    patch(house.vault, ada, "prod", A="3")
    assert house.poll(token, environment="prod", after=third["cursor"])[1]["changes"][0]["revision"] == 3


def test_after_a_new_epoch_everybody_begins_anew(house: House) -> None:
    """A restore begins one. Change numbers repeat after it, so no older cursor counts."""
    ada = house.person()
    house.environment(ada)
    token = house.token(ada, "prod")
    stream, socket = house.stream(token, environment="prod"), house.socket(token)
    assert stream.next()
    socket.told()
    socket.subscribe(environments=["prod"])
    cursor = house.poll(token, environment="prod")[1]["cursor"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(house.poll, token, environment="prod", after=cursor, wait=60)
        time.sleep(0.5)
        write(house.vault, lambda unit: unit.feed.begin(house.vault.clock()))
        status, problem = waiting.result()
    assert (status, problem["code"]) == (410, "cursor_expired")
    event = stream.next()
    assert event is not None
    assert (event.type, event.data["code"]) == ("end", "cursor_expired")
    assert socket.code() == 4410
    assert house.stream(token, environment="prod", after=cursor).status == 410
    again = house.stream(token, environment="prod")
    assert again.next()
    patch(house.vault, ada, "prod", A="2")
    assert again.change().data["revision"] == 2
