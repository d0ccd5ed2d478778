"""Event streams and long polls on a real server, over HTTP/1.1 and HTTP/2."""

from __future__ import annotations

import contextlib

import h2.events
import pytest

from tests.integration.server.conftest import Raw, get, logged, request
from tests.integration.server.http2_client import Http2
from tests.integration.server.test_limits import memory_mib
from tests.support.patience import HANG_SECONDS, eventually
from tests.support.serving import RunningServer

STRANGER = "127.0.0.66"


def head_and_some(raw: Raw) -> tuple[dict[str, str], bytes]:
    """The header of an answer, and what has arrived of its body."""
    received = b""
    while b"\r\n\r\n" not in received or received.endswith(b"\r\n\r\n"):
        received += raw._some()
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}, body


def open_stream(live: RunningServer, path: str) -> Raw:
    raw = Raw(live)
    raw.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return raw


def test_the_first_piece_of_a_stream_arrives_at_once_with_the_headers_of_every_answer(live: RunningServer) -> None:
    raw = open_stream(live, "/stream")
    headers, body = head_and_some(raw)
    assert b"retry: 3000" in body
    assert headers["content-type"] == "text/event-stream"
    assert headers["transfer-encoding"] == "chunked"
    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"
    assert "content-length" not in headers
    raw.close()


def test_a_stream_is_logged_once_when_its_client_leaves_and_nothing_of_its_query_is(live: RunningServer) -> None:
    raw = open_stream(live, "/stream?after=hunter2-in-a-query")
    headers, _ = head_and_some(raw)
    assert headers["x-request-id"] not in live.log
    raw.close()
    assert eventually(lambda: headers["x-request-id"] in live.log)
    (line,) = [line for line in live.log.splitlines() if headers["x-request-id"] in line]
    assert '"route": "/stream", "status": 200' in line
    assert '"open_seconds"' in line
    assert "hunter2" not in live.log


def test_a_stream_over_http2_arrives_piece_by_piece_and_other_calls_go_on(live: RunningServer) -> None:
    client = Http2(live)
    stream = client.start("GET", "/stream")
    client.send(stream, b"")
    received = b""
    while not received:
        for event in client.events():
            if isinstance(event, h2.events.DataReceived):
                received += event.data or b""
    assert received == b"retry: 3000\n\n"
    assert client.ask("GET", "/open").status == 200
    client.close()


def test_a_stream_that_its_client_resets_over_http2_ends(live: RunningServer) -> None:
    client = Http2(live)
    stream = client.start("GET", "/stream")
    client.send(stream, b"")
    request_id = ""
    while not request_id:
        for event in client.events():
            if isinstance(event, h2.events.ResponseReceived):
                request_id = dict(event.headers)[b"x-request-id"].decode()
    client.h2.reset_stream(stream)
    client.flush()
    assert eventually(lambda: request_id in live.log)
    client.close()


def test_the_body_of_a_call_that_stays_open_is_dropped(live: RunningServer) -> None:
    for _ in range(2):
        reply = request(live, "GET", "/who", body=b"GET /open HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert reply.status == 200
    assert request(live, "GET", "/who", body=b"x" * 2_000_000).status == 413


def test_a_job_runs_in_a_thread_of_the_pool(live: RunningServer) -> None:
    about = get(live, "/who", **{"X-Forwarded-For": "203.0.113.9"}).json()
    assert about["thread"].startswith("calls_")
    assert (about["address"], about["forwarded_by_stranger"]) == ("127.0.0.1", True)
    assert "x-forwarded-for" not in about["names"]


def test_a_refusal_is_a_problem_document(live: RunningServer) -> None:
    reply = get(live, "/refuse")
    assert (reply.status, reply.json()["code"]) == (401, "not_authenticated")
    assert '"route": "(refused)", "status": 401' in logged(live, reply)[0]


def test_an_answer_that_the_application_does_not_finish_is_not_taken_for_a_whole_one(live: RunningServer) -> None:
    raw = open_stream(live, "/cut-short")
    received = b""
    with contextlib.suppress(ConnectionError, OSError):
        while True:
            received += raw._some()
    assert not received.endswith(b"0\r\n\r\n")
    raw.close()
    client = Http2(live)
    stream = client.start("GET", "/cut-short")
    client.send(stream, b"")
    with pytest.raises(ConnectionResetError):
        client.reply(stream)
    client.close()
    assert "without completing" not in live.log


def test_a_stream_that_is_not_read_holds_little_and_is_cut_off_while_others_are_served(live: RunningServer) -> None:
    pid = get(live, "/pid").json()["pid"]
    before = memory_mib(pid)
    slow = [Raw(live, source=STRANGER) for _ in range(20)]
    for raw in slow:
        raw.send(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert all(get(live, "/open").status == 200 for _ in range(5))
    # 64 MiB each, were it not bounded.
    assert memory_mib(pid) - before < 40
    counted = live.log.count('"/endless"')
    assert eventually(lambda: live.log.count('"/endless"') - counted >= 20, HANG_SECONDS)
    for raw in slow:
        raw.close()


def test_a_stream_in_a_closed_window_is_reset_and_its_connection_goes_on(live: RunningServer) -> None:
    client = Http2(live, source=STRANGER)
    client.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
    client.flush()
    stream = client.start("GET", "/endless")
    client.send(stream, b"")
    with pytest.raises(ConnectionResetError):
        client.reply(stream)
    client.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 65535})
    client.flush()
    assert client.ask("GET", "/open").status == 200
    client.close()
