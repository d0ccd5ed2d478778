"""What the door does for calls that stay open, without a connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import structlog

from tests.unit.server.test_door import Application, scope, settings
from vault.asgi import DRAIN, LIVE_CALL, LiveCall, Message, Receive, Refusal, Scope, Send
from vault.server.door import Door
from vault.settings import Settings

Serve = Callable[[LiveCall, Receive, Send], Awaitable[None]]
UPGRADE = [
    (b"host", b"localhost"), (b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-version", b"13"),
    (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
]  # fmt: skip


def claim(method: str, path: str) -> str:
    return "/live" if (method, path) == ("GET", "/live") else ""


def door_to(serve: Serve, changed: Settings | None = None) -> Door:
    async def live(scope: Scope, receive: Receive, send: Send) -> None:
        await serve(scope[LIVE_CALL], receive, send)

    return Door(Application(), changed or settings(), live_app=live, claims=claim)


def call(door: Door, asked: Scope, *arriving: Message) -> list[Message]:
    """What the door sends for one call. After what arrives, nothing more does."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        if waiting:
            return waiting.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def serve() -> None:
        await door(asked, receive, send)
        door.stop()

    waiting = list(arriving)
    asyncio.run(serve())
    return sent


def socket(path: str = "/live", headers: list[tuple[bytes, bytes]] | None = None, **more: Any) -> Scope:
    asked = scope(path, UPGRADE if headers is None else headers, type="websocket", **more)
    del asked["method"]
    return asked


async def accept(_call: LiveCall, _receive: Receive, send: Send) -> None:
    await send({"type": "websocket.accept"})


async def answer(_call: LiveCall, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"whole"})


def fields(message: Message) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in message["headers"]}


def test_a_claimed_call_is_answered_with_the_headers_of_every_answer() -> None:
    start, body = call(door_to(answer), scope("/live"))
    assert (start["status"], body["body"]) == (200, b"whole")
    assert fields(start)["cache-control"] == "no-store"
    assert len(fields(start)["x-request-id"]) == 24


@pytest.mark.parametrize("asked", ["GET /other", "POST /live", "HEAD /live", "GET /live/"])
def test_a_call_that_is_not_claimed_goes_to_flask(asked: str) -> None:
    method, path = asked.split()
    door = door_to(answer)
    call(door, scope(path, method=method))
    assert isinstance(door.calls._app, Application)
    assert len(door.calls._app.asked) == 1


def test_a_socket_is_accepted_with_its_request_id_and_closed_when_the_application_returns() -> None:
    accepted, closed = call(door_to(accept), socket())
    assert accepted["type"] == "websocket.accept"
    assert set(fields(accepted)) == {"x-request-id"}
    assert (closed["type"], closed["code"]) == ("websocket.close", 1000)


def refused(door: Door, asked: Scope) -> tuple[int, dict[str, str], dict[str, Any]]:
    start, body = call(door, asked)
    assert start["type"].endswith("http.response.start")
    return start["status"], fields(start), json.loads(body["body"])


async def who_are_you(_call: LiveCall, _receive: Receive, _send: Send) -> None:
    raise Refusal(401, "not_authenticated", "Who are you?", cause="toy", retry_after_seconds=7)


@pytest.mark.parametrize("asked", [scope("/live"), socket()])
def test_a_refusal_before_the_answer_is_a_problem_document(asked: Scope) -> None:
    status, headers, problem = refused(door_to(who_are_you), asked)
    assert (status, problem["code"], problem["detail"]) == (401, "not_authenticated", "Who are you?")
    assert headers["content-type"] == "application/problem+json"
    assert headers["x-request-id"] == problem["request_id"]
    assert headers["retry-after"] == "7"
    assert headers["www-authenticate"] == "Bearer"
    assert headers["x-frame-options"] == "DENY"


def test_a_refusal_names_what_is_wrong_and_its_headers_are_sent_once() -> None:
    async def refuse(_call: LiveCall, _receive: Receive, _send: Send) -> None:
        raise Refusal(401, "c", "d", cause="toy", headers=((b"www-authenticate", b"Bearer"),), path="environment")

    sent = call(door_to(refuse), scope("/live"))
    assert [value for name, value in sent[0]["headers"] if name == b"www-authenticate"] == [b"Bearer"]
    assert json.loads(sent[1]["body"])["path"] == "environment"


def test_the_log_tells_how_long_a_call_was_open_and_why_it_ended() -> None:
    async def end(call: LiveCall, receive: Receive, send: Send) -> None:
        await answer(call, receive, send)
        call.ending = "locked"

    with structlog.testing.capture_logs() as lines:
        call(door_to(end), scope("/live"))
    (line,) = lines
    assert (line["route"], line["status"], line["ending"]) == ("/live", 200, "locked")
    assert line["open_seconds"] >= 0.0


async def crash(_call: LiveCall, _receive: Receive, _send: Send) -> None:
    raise ValueError("canary")


async def say_nothing(_call: LiveCall, _receive: Receive, _send: Send) -> None: ...


@pytest.mark.parametrize("asked", [scope("/live"), socket()])
@pytest.mark.parametrize("serve", [crash, say_nothing])
def test_an_application_that_gives_no_answer_is_answered_for(serve: Serve, asked: Scope) -> None:
    status, _, problem = refused(door_to(serve), dict(asked))
    assert (status, problem["code"]) == (500, "internal")
    assert "canary" not in str(problem)


def test_a_socket_that_is_closed_before_it_is_accepted_is_refused() -> None:
    async def close(_call: LiveCall, _receive: Receive, send: Send) -> None:
        await send({"type": "websocket.close", "code": 4403})

    assert refused(door_to(close), socket())[0] == 403


def without(name: bytes) -> list[tuple[bytes, bytes]]:
    return [field for field in UPGRADE if field[0] != name]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([*without(b"sec-websocket-version"), (b"sec-websocket-version", b"8")], 426),
        (without(b"sec-websocket-version"), 426),
        ([*UPGRADE, (b"sec-websocket-version", b"13")], 426),
        (without(b"sec-websocket-key"), 400),
        ([*UPGRADE, (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ==")], 400),
        ([*without(b"sec-websocket-key"), (b"sec-websocket-key", b"c2hvcnQ=")], 400),
        ([*without(b"sec-websocket-key"), (b"sec-websocket-key", b"***")], 400),
        ([*UPGRADE, (b"content-length", b"5")], 400),
        ([*UPGRADE, (b"transfer-encoding", b"chunked")], 400),
        (without(b"host"), 400),
    ],
)
def test_a_handshake_that_breaks_the_protocol_is_refused(headers: list[tuple[bytes, bytes]], status: int) -> None:
    found, fields, _ = refused(door_to(accept), socket(headers=headers))
    assert found == status
    assert fields.get("sec-websocket-version") == ("13" if status == 426 else None)


def test_a_handshake_over_another_http_is_refused() -> None:
    assert refused(door_to(accept), socket(http_version="1.0"))[0] == 400


def test_a_socket_where_none_is_served_is_refused() -> None:
    assert refused(door_to(accept), socket("/other"))[0] == 404
    assert refused(Door(Application(), settings()), socket())[0] == 404


def test_strangers_may_not_open_a_socket_over_plain_http() -> None:
    behind = settings(plain_http=True, trusted_proxies=())
    assert refused(door_to(accept, behind), socket())[0] == 403
    assert refused(door_to(answer, behind), scope("/live"))[0] == 403


def test_a_door_that_drains_takes_no_more_sockets() -> None:
    door = door_to(accept)
    door.draining = True
    status, headers, _ = refused(door, socket())
    assert (status, headers["retry-after"]) == (503, "1")


def test_the_application_learns_once_that_the_door_drains() -> None:
    seen: list[Message] = []

    async def wait(_call: LiveCall, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await door.live.end()
        seen.append(await receive())
        seen.append(await receive())
        await send({"type": "http.response.body", "body": b""})

    door = door_to(wait)
    call(door, scope("/live"), {"type": "http.request", "body": b""}, {"type": "http.disconnect"})
    assert [message["type"] for message in seen] == [DRAIN, "http.disconnect"]
    assert 0.0 <= seen[0]["seconds"] <= 10.0


def test_a_call_that_comes_after_the_drain_began_learns_it_at_once() -> None:
    seen: list[Message] = []

    async def wait(_call: LiveCall, receive: Receive, send: Send) -> None:
        seen.append(await receive())
        await answer(_call, receive, send)

    door = door_to(wait)
    asyncio.run(door.live.end())
    call(door, scope("/live"))
    assert [message["type"] for message in seen] == [DRAIN]


def test_a_socket_is_asked_to_come_back_when_the_door_drains() -> None:
    async def wait(_call: LiveCall, _receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        await door.live.end()

    door = door_to(wait)
    _, closed, *_ = call(door, socket())
    assert closed["code"] == 1012
    assert closed["reason"].startswith("reconnect in ")


def test_a_job_runs_in_a_thread_and_its_errors_come_back() -> None:
    seen: list[object] = []

    async def work(call: LiveCall, receive: Receive, send: Send) -> None:
        seen.append(await call.run(lambda: 6 * 7))
        with pytest.raises(KeyError):
            await call.run(lambda: {"a": 1}["b"])
        await answer(call, receive, send)

    assert call(door_to(work), scope("/live"))[0]["status"] == 200
    assert seen == [42]


def test_a_call_is_in_flight_until_its_caller_is_proven() -> None:
    seen: list[int] = []

    async def prove(call: LiveCall, receive: Receive, send: Send) -> None:
        seen.append(door.in_flight)
        call.prove("ada")
        seen.append(door.in_flight)
        await call.run(lambda: seen.append(door.in_flight))
        await answer(call, receive, send)

    door = door_to(prove)
    call(door, scope("/live"))
    assert (seen, door.in_flight, door.live.count) == ([1, 0, 1], 0, 0)


def test_a_caller_with_too_many_unproven_calls_is_refused() -> None:
    async def three() -> list[int]:
        hold = asyncio.Event()

        async def wait(call: LiveCall, receive: Receive, send: Send) -> None:
            await hold.wait()
            await answer(call, receive, send)

        door = door_to(wait, settings(max_requests_in_flight_per_caller=2))
        statuses: list[int] = []

        async def send(message: Message) -> None:
            statuses.extend([message["status"]] if "status" in message else [])

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        calls = [asyncio.create_task(door(scope("/live"), receive, send)) for _ in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        hold.set()
        await asyncio.gather(*calls)
        door.stop()
        return statuses

    assert asyncio.run(three()) == [429, 200, 200]


def test_a_call_tells_where_it_comes_from_without_claims() -> None:
    seen: list[LiveCall] = []

    async def look(call: LiveCall, receive: Receive, send: Send) -> None:
        seen.append(call)
        await answer(call, receive, send)

    headers = [(b"host", b"localhost"), (b"x-forwarded-for", b"203.0.113.9"), (b"x-request-id", b"mine")]
    call(door_to(look), scope("/live", headers))
    assert seen[0].address == "192.0.2.7"
    assert (seen[0].forwarded_by_stranger, seen[0].forwarded_by_proxy) == (True, False)
    assert set(seen[0].headers) == {b"host"}
