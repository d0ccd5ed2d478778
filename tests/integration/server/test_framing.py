"""What comes in that is no clean HTTP/1.1 request, and what comes in whole."""

from __future__ import annotations

import hashlib

import pytest

from tests.integration.server.conftest import Dial, get, request, stored
from tests.support.serving import RunningServer

LIMIT_BYTES = 1536 * 1024

GET = b"GET /readyz HTTP/1.1\r\n"
POST = b"POST /store HTTP/1.1\r\nHost: localhost\r\n"

MALFORMED = {
    "a length and chunks": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "two equal lengths": POST + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
    "a length with a sign": POST + b"Content-Length: +4\r\n\r\nabcd",
    "bare line feeds": b"GET /readyz HTTP/1.1\nHost: localhost\n\n",
    "a bare line feed in the header": GET + b"Host: localhost\nX-A: b\r\n\r\n",
    "a folded header": GET + b"Host: localhost\r\nX-A: b\r\n c\r\n\r\n",
    "a space before the colon": GET + b"Host : localhost\r\n\r\n",
    "two hosts": GET + b"Host: localhost\r\nHost: localhost\r\n\r\n",
    "no host": GET + b"\r\n",
    "no host in HTTP/1.0": b"GET /readyz HTTP/1.0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a chunk with a signed size": POST + b"Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n",
    "a chunk that is too long": POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
    "a NUL in a value": GET + b"Host: localhost\r\nX-A: b\0c\r\n\r\n",
    "TLS inside TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_request_is_answered_400_and_its_connection_closed(dial: Dial, name: str) -> None:
    raw = dial()
    # Whoever smuggles wants this second request to be answered.
    raw.send(MALFORMED[name] + b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    reply = raw.reply()
    assert reply.status == 400
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.json()["request_id"] == reply.headers["x-request-id"]
    assert "server" not in reply.headers
    assert raw.is_closed()


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        (b"/%zz", 400, "invalid_input"),
        (b"/api/v1/environments/100%", 400, "invalid_input"),
        (b"/api/v1/environments?name=%2", 400, "invalid_input"),
        (b"/echo/a\\b", 400, "invalid_input"),
        (b"/echo/..\\b", 400, "invalid_input"),
        (b"/echo/..;/b", 404, "not_found"),
        (b"/echo/%2e%2e%3bx/b", 404, "not_found"),
        (b"/echo/..%5cb", 404, "not_found"),
    ],
)
def test_a_path_with_two_readings_is_refused_with_a_reason(dial: Dial, target: bytes, status: int, code: str) -> None:
    raw = dial()
    raw.send(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    reply = raw.reply()
    assert (reply.status, reply.json()["code"]) == (status, code)


@pytest.mark.parametrize("target", [b"/v1/secret/data/%zz", b"/v1/secret/data/a\\b", b"/v1/secret/data/a?list=%"])
def test_a_vault_client_gets_the_reason_as_vault_tells_it(dial: Dial, target: bytes) -> None:
    raw = dial()
    raw.send(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    reply = raw.reply()
    assert reply.status == 400
    assert reply.json()["errors"][0].startswith("The ")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (GET + b"Host: localhost\r\nX-A: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (GET + b"Host: localhost\r\n" + b"X-A: a\r\n" * 200 + b"\r\n", 431),
    ],
)
def test_a_header_over_its_limits_is_refused(dial: Dial, data: bytes, status: int) -> None:
    raw = dial()
    raw.send(data)
    reply = raw.reply()
    assert (reply.status, reply.json()["code"]) == (status, "too_large")
    assert raw.is_closed()


def test_what_was_malformed_is_not_quoted_back(dial: Dial, server: RunningServer) -> None:
    raw = dial()
    raw.send(b"GET /canary-7f3a nonsense HTTP/1.1\r\ncanary-7f3a\r\n\r\n")
    assert b"canary-7f3a" not in raw.reply().body
    assert "canary-7f3a" not in server.log


@pytest.mark.parametrize("host", ["", "local host", "localhost/x", "a@b", "localhost:x", "<>"])
def test_a_host_that_is_none_is_refused(dial: Dial, host: str) -> None:
    raw = dial()
    raw.send(f"GET /readyz HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert raw.reply().status == 400


def test_a_target_that_is_no_path_is_refused(dial: Dial) -> None:
    raw = dial()
    raw.send(b"GET https://localhost/readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert raw.reply().status == 400


def test_a_chunked_body_arrives_whole(dial: Dial) -> None:
    raw = dial()
    pieces = [bytes([number]) * 40_000 for number in range(30)]
    raw.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
    for piece in pieces:
        raw.send(b"%x\r\n%s\r\n" % (len(piece), piece))
    raw.send(b"0\r\n\r\n")
    body = b"".join(pieces)
    assert raw.reply().json() == {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def test_a_body_of_exactly_the_limit_is_taken(server: RunningServer) -> None:
    reply = request(server, "POST", "/store", body=b"x" * LIMIT_BYTES)
    assert (reply.status, reply.json()["size"]) == (200, LIMIT_BYTES)


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_body_over_the_limit_is_answered_413_and_the_connection_goes_on(dial: Dial, framing: str) -> None:
    raw = dial()
    size = 2 * 1024 * 1024
    if framing == "length":
        raw.send(POST + b"Content-Length: %d\r\n\r\n" % size + b"x" * size)
    else:
        raw.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        raw.send((b"10000\r\n" + b"x" * 65536 + b"\r\n") * (size // 65536) + b"0\r\n\r\n")
    reply = raw.reply()
    assert (reply.status, reply.json()["code"]) == (413, "too_large")
    raw.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert raw.reply().status == 200


def test_a_client_that_dies_in_mid_body_is_never_stored(dial: Dial, server: RunningServer) -> None:
    request(server, "POST", "/store", body=b"whole")
    for head in (b"Content-Length: 100\r\n\r\nstump", b"Transfer-Encoding: chunked\r\n\r\n5\r\nstump\r\n"):
        raw = dial()
        raw.send(POST + head)
        raw.close()
    assert get(server, "/readyz").status == 200
    assert stored(server).read_bytes() == b"whole"


def test_two_pipelined_requests_are_answered_in_order(dial: Dial) -> None:
    raw = dial()
    raw.send(b"GET /repeat/a/3 HTTP/1.1\r\nHost: localhost\r\n\r\nGET /repeat/b/3 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    received = b""
    while received.count(b"HTTP/1.1 200") < 2 or not received.endswith(b"bbb"):
        received += raw.socket.recv(65536)
    assert received.index(b"aaa") < received.index(b"bbb")


def test_a_client_that_waits_for_100_continue_is_told_to_go_on(dial: Dial) -> None:
    raw = dial()
    raw.send(POST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert raw.reply().status == 100
    raw.send(b"ok")
    assert raw.reply().json()["size"] == 2
