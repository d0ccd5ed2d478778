"""The front door of the real application keeps nothing of a stranger's large body, however it is framed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.integration.server.conftest import Raw, Reply
from tests.integration.server.http2_client import Http2
from tests.support.patience import eventually
from tests.support.serving import RunningServer
from vault.model.budgets import BUDGETS, RouteClass

MOST = BUDGETS[RouteClass.PUBLIC].body_bytes
JUNK = b"Authorization: Bearer srm_t_junk\r\nX-Vault-Token: junk\r\n"
PUBLIC = [
    "/v1/sys/wrapping/unwrap", "/v1/sys/wrapping/unwr%61p", "/v1/auth/userpass/login/x",
    "/api/v1/sessions", "/api/v1/sessions/challenges/x", "/login", "/nothing", "/api/v1/nothing",
]  # fmt: skip


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The real application, with one worker."""
    with RunningServer(tmp_path_factory.mktemp("real"), {"STRONGROOM_WORKERS": "1"}) as server:
        yield server


def post(server: RunningServer, path: str, body: bytes, fields: bytes = b"", *, chunked: bool = False) -> Reply:
    """POST `body`, announced by its length or in chunks."""
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    framed = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    with closing(Raw(server)) as raw:
        raw.send(b"POST %s HTTP/1.1\r\nHost: localhost\r\n%s%s\r\n\r\n%s" % (path.encode(), fields, framing, framed))
        return raw.reply()


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
@pytest.mark.parametrize("path", PUBLIC)
def test_a_public_body_over_16_kib_is_refused_at_the_door(real: RunningServer, path: str, chunked: bool) -> None:
    over = post(real, path, b" " * (MOST + 1), JUNK, chunked=chunked)
    assert (over.status, str(MOST).encode() in over.body) == (413, True)
    # One byte less is the application's to answer.
    assert post(real, path, b" " * MOST, JUNK, chunked=chunked).status in (400, 401, 403, 404, 422, 303)


@pytest.mark.parametrize("path", ["/api/v1/import", "/v1/secret/data/a", "/environments/a/save"])
def test_a_call_without_a_credential_brings_no_more(real: RunningServer, path: str) -> None:
    assert post(real, path, b" " * (MOST + 1)).status == 413
    # A credential is looked at before the body is parsed.
    assert post(real, path, b" " * (MOST + 1), JUNK + b"Cookie: __Host-strongroom=x\r\n").status in (401, 403, 303)


@pytest.mark.parametrize("announced", [True, False])
def test_the_same_over_http2(real: RunningServer, announced: bool) -> None:
    client = Http2(real)
    fields = [("content-length", str(MOST + 1))] if announced else []
    with closing(client.raw):
        stream = client.start("POST", "/v1/sys/wrapping/unwrap", *fields)
        client.send(stream, b" " * (MOST + 1))
        assert client.reply(stream).status == 413
        stream = client.start("GET", "/v1/sys/health")
        client.send(stream, b" " * (MOST + 1))
        assert client.reply(stream).status == 413


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "LIST"])
def test_methods_that_read_no_body_bring_no_more(real: RunningServer, method: str) -> None:
    head = f"{method} /v1/secret/data/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: {MOST + 1}\r\n".encode()
    with closing(Raw(real)) as raw:
        raw.send(head + JUNK + b"\r\n" + b"x" * (MOST + 1))
        assert raw.socket.recv(16).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /api/v1/audit?" + b"a&" * 64 + b" HTTP/1.1\r\n",
        b"GET /login HTTP/1.1\r\nCookie: " + b"a=;" * 200 + b"\r\n",
    ],
    ids=["query", "cookies"],
)
def test_a_query_of_many_fields_and_many_cookies_are_refused(real: RunningServer, head: bytes) -> None:
    with closing(Raw(real)) as raw:
        raw.send(head + b"Host: localhost\r\n\r\n")
        assert raw.reply().status == 400


def health(server: RunningServer) -> int:
    with closing(Raw(server)) as raw:
        raw.send(b"GET /v1/sys/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return raw.reply().status


@pytest.mark.parametrize("code", ["02041", "03041", "204", "304", "0200" + "0" * 4400, "599"])
def test_no_health_status_leaves_bytes_for_the_next_answer(real: RunningServer, code: str) -> None:
    # A busy machine may make a worker wait for its own look at the database, and then it is not ready for a moment.
    assert eventually(lambda: health(real) == 200)
    with closing(Raw(real)) as raw:
        raw.send(f"GET /v1/sys/health?activecode={code} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert raw.reply().status == (int(code) if len(code) == 3 else 200)
        raw.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        second = raw.reply()
    assert (second.status, second.body) == (200, b'{"status":"ok"}')
