"""The same over HTTP/2, spoken frame by frame."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator

import h2.errors
import pytest

from tests.integration.server.conftest import get, request, stored
from tests.integration.server.http2_client import Http2
from tests.support.patience import eventually, in_time
from tests.support.serving import RunningServer


@pytest.fixture
def client(server: RunningServer) -> Iterator[Http2]:
    """A client of the shared server."""
    http2 = Http2(server)
    yield http2
    http2.raw.close()


@pytest.fixture
def patient_client(patient: RunningServer) -> Iterator[Http2]:
    """A client with a large body, which a busy machine takes long to send."""
    http2 = Http2(patient)
    yield http2
    http2.raw.close()


def test_an_answer_over_http_2_carries_what_every_answer_carries(client: Http2) -> None:
    reply = client.ask("GET", "/livez")
    assert (reply.status, reply.json()) == (200, {"status": "ok"})
    assert reply.headers["cache-control"] == "no-store"
    assert len(reply.headers["x-request-id"]) == 24
    assert "server" not in reply.headers


def test_a_body_in_many_frames_arrives_whole(patient_client: Http2) -> None:
    body = bytes(range(256)) * 4000
    assert patient_client.ask("POST", "/store", body=body).json()["sha256"] == hashlib.sha256(body).hexdigest()


def test_a_body_over_the_limit_is_answered_413_and_the_connection_goes_on(patient_client: Http2) -> None:
    reply = patient_client.ask("POST", "/store", body=b"x" * (2 * 1024 * 1024))
    assert (reply.status, reply.json()["code"]) == (413, "too_large")
    assert patient_client.ask("GET", "/readyz").status == 200


def test_a_stream_that_is_reset_in_mid_body_is_never_stored(client: Http2, server: RunningServer) -> None:
    request(server, "POST", "/store", body=b"whole")
    stream = client.start("POST", "/store")
    client.send(stream, b"stump", end=False)
    client.h2.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
    client.flush()
    assert client.ask("GET", "/readyz").status == 200
    assert stored(server).read_bytes() == b"whole"


def test_a_body_that_stalls_is_answered_408(client: Http2) -> None:
    stream = client.start("POST", "/store")
    client.send(stream, b"stump", end=False)
    assert client.reply(stream).status == 408


def test_clients_that_leave_take_no_thread_with_them(server: RunningServer) -> None:
    for _ in range(8):
        leaving = Http2(server)
        leaving.send(leaving.start("GET", "/slow/0.2"), b"")
        leaving.raw.close()
    assert eventually(lambda: get(server, "/readyz").status == 200)


def test_a_request_without_a_host_ends_the_connection(client: Http2) -> None:
    client.start("GET", "/readyz", host=None)
    with pytest.raises(ConnectionError):
        client.listen()


def test_a_host_that_is_none_is_refused(client: Http2) -> None:
    stream = client.start("GET", "/readyz", host="local host")
    client.send(stream, b"")
    assert client.reply(stream).status == 400


def test_cookie_fields_are_joined_with_semicolons(client: Http2) -> None:
    reply = client.ask("GET", "/echo/x", ("cookie", "a=1"), ("cookie", "b=2"))
    assert reply.json()["cookies"] == {"a": "1", "b": "2"}


def test_an_encoded_path_is_decoded_once_and_kept_raw(client: Http2) -> None:
    environ = client.ask("GET", "/echo/a%2Fb%2520?q=1").json()["environ"]
    assert environ["PATH_INFO"] == "/echo/a/b%20"
    assert environ["RAW_URI"] == "/echo/a%2Fb%2520?q=1"


def test_what_a_stranger_says_about_others_is_dropped(client: Http2) -> None:
    fields = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "http"), ("x-client-cert", "forged")]
    echoed = client.ask("GET", "/echo/x", *fields).json()
    assert "203.0.113.9" not in json.dumps(echoed)
    assert "forged" not in json.dumps(echoed)
    assert echoed["environ"]["wsgi.url_scheme"] == "https"


@pytest.mark.parametrize("field", [("x-a", "€"), ("x-a", "\N{GRINNING FACE}")])
def test_a_header_that_latin_1_cannot_hold_costs_its_stream_only(client: Http2, field: tuple[str, str]) -> None:
    stream = client.start("GET", "/readyz", field)
    client.send(stream, b"")
    with pytest.raises(ConnectionResetError):
        client.reply(stream)
    assert client.ask("GET", "/readyz").status == 200


def test_a_path_that_is_no_ascii_costs_its_stream_only(client: Http2) -> None:
    stream = client.start("GET", "/echo/München")
    client.send(stream, b"")
    with pytest.raises(ConnectionResetError):
        client.reply(stream)
    assert client.ask("GET", "/readyz").status == 200


def test_the_header_timer_ends_with_the_first_stream(client: Http2) -> None:
    assert client.ask("GET", "/livez").status == 200
    time.sleep(1.9)
    assert client.ask("GET", "/livez").status == 200


def test_a_connection_without_a_stream_is_dropped_in_time(client: Http2) -> None:
    started = time.monotonic()
    with pytest.raises(ConnectionError):
        client.listen()
    assert in_time(time.monotonic() - started, 3.0)
