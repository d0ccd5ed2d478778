"""What the front door answers itself, and what it hands on."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIEnvironment

import pytest
import structlog

from vault.asgi import Headers, Message, Receive, Scope
from vault.auth import require_named_network
from vault.errors import Forbidden
from vault.model.networks import is_within
from vault.server.door import Door
from vault.server.reception import drop_claims, joined
from vault.server.refusal import Answer
from vault.settings import Settings


def settings(**changes: Any) -> Settings:
    base = Settings(data_dir=Path("data"), keyring=Path("keyring"), database_url="sqlite://", threads=1)
    return replace(base, **changes)


class Application:
    """A WSGI application that remembers what it was asked."""

    def __init__(self, status: str = "200 OK", headers: list[tuple[str, str]] | None = None, body: bytes = b"") -> None:
        self.asked: list[WSGIEnvironment] = []
        self._answer = status, headers or [], body

    def __call__(self, environ: WSGIEnvironment, start: Any) -> list[bytes]:
        self.asked.append(environ)
        status, headers, body = self._answer
        start(status, headers)
        return [body]


def scope(
    path: str = "/x", headers: Headers | None = None, method: str = "GET", client: str = "192.0.2.7", **more: Any
) -> Scope:
    fields = [(b"host", b"localhost")] if headers is None else headers
    return {
        "type": "http", "http_version": "1.1", "method": method, "scheme": "https", "raw_path": path.encode(),
        "query_string": b"", "headers": fields, "client": (client, 5), "server": ("127.0.0.1", 8443),
    } | more  # fmt: skip


async def nothing_more() -> Message:
    return {"type": "http.disconnect"}


def ask(door: Door, asked: Scope, receive: Receive = nothing_more) -> tuple[int, dict[str, str], bytes]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def serve() -> None:
        await door(asked, receive, send)
        door.stop()

    asyncio.run(serve())
    if not sent:
        return 0, {}, b""
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(message["body"] for message in sent[1:])


def test_life_is_answered_without_the_application() -> None:
    application = Application()
    status, _, body = ask(Door(application, settings()), scope("/livez"))
    assert (status, body, application.asked) == (200, b'{"status":"ok"}', [])


def test_readiness_is_the_applications_until_the_door_drains() -> None:
    application = Application()
    assert ask(Door(application, settings()), scope("/readyz"))[0] == 200
    assert len(application.asked) == 1
    draining = Door(application, settings())
    draining.draining = True
    status, headers, _ = ask(draining, scope("/readyz"))
    assert (status, headers["retry-after"], len(application.asked)) == (503, "1", 1)


@pytest.mark.parametrize("host", [None, b"", b"a b", b"a/b", b"a,b", b"[::1", b"a:123456"])
def test_a_request_without_a_valid_host_is_refused(host: bytes | None) -> None:
    application = Application()
    fields = [] if host is None else [(b"host", host)]
    status, headers, body = ask(Door(application, settings()), scope(headers=fields))
    assert (status, headers["content-type"]) == (400, "application/problem+json")
    problem = json.loads(body)
    assert problem["type"] == "urn:strongroom:problem:invalid_input"
    assert problem["request_id"] == headers["x-request-id"]
    assert not application.asked


@pytest.mark.parametrize("host", [b"localhost", b"localhost:8443", b"vault.example.org", b"127.0.0.1:1", b"[::1]:8443"])
def test_a_valid_host_is_let_through(host: bytes) -> None:
    assert ask(Door(Application(), settings()), scope(headers=[(b"host", host)]))[0] == 200


def test_a_client_that_leaves_in_mid_body_gets_no_answer_and_the_application_no_request() -> None:
    application = Application()
    fields = [(b"host", b"h"), (b"content-length", b"5")]
    assert ask(Door(application, settings()), scope(headers=fields, method="POST")) == (0, {}, b"")
    assert not application.asked


def test_buffers_are_free_again_after_the_answer() -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b"abc"}

    application = Application()
    door = Door(application, settings())
    fields = [(b"host", b"h"), (b"content-length", b"3")]
    assert ask(door, scope(headers=fields, method="POST"), receive)[0] == 200
    assert application.asked[0]["CONTENT_LENGTH"] == "3"
    assert door.budget.held_bytes == 0


def test_calls_that_take_a_password_go_to_their_own_lane() -> None:
    names: list[str] = []

    def application(_environ: WSGIEnvironment, start: Any) -> list[bytes]:
        import threading

        names.append(threading.current_thread().name)
        start("200 OK", [])
        return []

    def takes_password(method: str, path: str) -> bool:
        return (method, path) == ("POST", "/login")

    for path in ("/login", "/other"):
        ask(Door(application, settings(), takes_password=takes_password), scope(path, method="POST"))
    assert [name.split("_")[0] for name in names] == ["login", "calls"]


def test_the_memory_for_hashing_is_divided_among_the_workers() -> None:
    assert Door(Application(), settings(workers=2, login_threads=4)).logins._pool._most == 2
    assert Door(Application(), settings(workers=4, login_threads=2)).logins._pool._most == 1


def test_headers_of_the_application_stand_and_ours_are_added() -> None:
    answer = Answer(200, [(b"content-security-policy", b"script-src 'self'")], b"abc", "/x")
    headers = Door(Application(), settings()).reception.complete(answer, "r")
    assert headers.count((b"content-security-policy", b"script-src 'self'")) == 1
    assert len([1 for name, _ in headers if name == b"content-security-policy"]) == 1
    assert (b"content-length", b"3") in headers
    assert (b"cache-control", b"no-store") in headers


def test_an_answer_that_has_no_body_is_given_no_length() -> None:
    for status in (204, 304):
        headers = Door(Application(), settings()).reception.complete(Answer(status, [], b"", "/x"), "r")
        assert b"content-length" not in dict(headers)


def test_hsts_comes_with_the_operators_own_certificate_only() -> None:
    own = settings(tls_cert=Path("c"), tls_key=Path("k"))
    assert "strict-transport-security" in ask(Door(Application(), own), scope())[1]
    assert "strict-transport-security" not in ask(Door(Application(), settings()), scope())[1]


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 131_072, 200_001])
def test_an_answer_of_any_size_arrives_whole(size: int) -> None:
    body = bytes(number % 251 for number in range(size))
    assert ask(Door(Application(body=body), settings()), scope())[2] == body


PROXIES = (ipaddress.ip_network("10.0.0.0/8"),)


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("10.0.0.1", b"203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", b"198.51.100.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", b"10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", b"203.0.113.9, nonsense", "unknown"),
        ("10.0.0.1", b"", "unknown"),
        ("10.0.0.1", b"nonsense, 10.0.0.2", "unknown"),
        ("10.0.0.1", b"203.0.113.9:4711", "203.0.113.9"),
        ("10.0.0.1", b"203.0.113.9:4711, 10.0.0.2:80", "203.0.113.9"),
        ("10.0.0.1", b"[2001:db8::9]:4711", "2001:db8::9"),
        ("10.0.0.1", b"[2001:db8::9], [::ffff:10.0.0.2]:1", "2001:db8::9"),
        ("10.0.0.1", b"2001:db8::9", "2001:db8::9"),
        ("10.0.0.1", b"nonsense, 203.0.113.9", "203.0.113.9"),
        ("203.0.113.1", b"198.51.100.1", "203.0.113.1"),
        # As a socket for both families reports an IPv4 peer.
        ("::ffff:10.0.0.1", b"203.0.113.9", "203.0.113.9"),
        ("::ffff:10.0.0.1", b"203.0.113.9, ::ffff:10.0.0.2", "203.0.113.9"),
    ],
)
def test_the_client_is_the_last_whom_a_trusted_proxy_heard(peer: str, forwarded: bytes, address: str) -> None:
    application = Application()
    fields = [(b"host", b"h"), (b"x-forwarded-for", forwarded)]
    ask(Door(application, settings(trusted_proxies=PROXIES)), scope(headers=fields, client=peer))
    (environ,) = application.asked
    assert environ["REMOTE_ADDR"] == address
    assert "HTTP_X_FORWARDED_FOR" not in environ
    assert environ["strongroom.forwarded_by_stranger"] is (peer == "203.0.113.1")
    assert environ["strongroom.forwarded_by_proxy"] is (peer != "203.0.113.1")


@pytest.mark.parametrize("stated", [b"127.0.0.1", b"::1", b"127.0.0.1:4711", b"[::ffff:127.0.0.1]:1", b"10.0.0.1"])
def test_a_proxy_on_this_machine_does_not_put_its_clients_on_it(stated: bytes) -> None:
    application = Application()
    fields = [(b"host", b"h"), (b"x-forwarded-for", stated)]
    on_this_machine = (ipaddress.ip_network("127.0.0.1/32"),)
    ask(Door(application, settings(trusted_proxies=on_this_machine)), scope(headers=fields, client="127.0.0.1"))
    (environ,) = application.asked
    with pytest.raises(Forbidden):
        require_named_network(environ, environ["REMOTE_ADDR"], ())


@pytest.mark.parametrize(
    "stated",
    [
        None, b"unknown", b"_hidden", b"localhost", b"203.0.113.9:", b"203.0.113.9:x", b"203.0.113.9:123456", b"[::1",
        b"[203.0.113.9]:80", b"::1]:80", b"203.0.113", b"203.0.113.9 10.0.0.1", b"for=203.0.113.9", b"203.0.113.9,",
        b'"203.0.113.9"', b"10.0.0.2, ", b"\xff",
    ],
)  # fmt: skip
def test_a_client_whom_the_proxy_does_not_state_is_in_no_network(stated: bytes | None) -> None:
    application = Application()
    fields = [(b"host", b"h"), *([] if stated is None else [(b"x-forwarded-for", stated)])]
    everywhere = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
    door = Door(application, settings(trusted_proxies=PROXIES))
    # The request is still answered: what is public stays public.
    assert ask(door, scope(headers=fields, client="10.0.0.1"))[0] == 200
    (environ,) = application.asked
    assert not is_within(environ["REMOTE_ADDR"], everywhere)


def test_a_proxy_that_states_no_client_is_logged_once_but_not_for_its_health_checks() -> None:
    application = Application()
    door = Door(application, settings(trusted_proxies=PROXIES))

    async def send(_message: Message) -> None:
        pass

    async def serve() -> None:
        for path, peer in [("/readyz", "10.0.0.1"), ("/x", "10.0.0.1"), ("/y", "10.0.0.1"), ("/x", "10.0.0.2")]:
            await door(scope(path, client=peer), nothing_more, send)
        door.stop()

    with structlog.testing.capture_logs() as lines:
        asyncio.run(serve())
    assert [line["proxy"] for line in lines if line["event"] == "client_address_unknown"] == ["10.0.0.1", "10.0.0.2"]
    assert application.asked[0]["REMOTE_ADDR"] == "10.0.0.1"


@pytest.mark.parametrize(
    "path",
    [
        "//api/v1/operator/users", "///", "//v1/sys/health", "/%2Fapi/v1/operator/users", "/api%2Fv1%2Foperator/users",
        "/%61pi/v1/operator/users", "/api/v1/%6fperator/users", "/api/%761/operator/users", "/./api/v1/operator/users",
        "/x/../api/v1/operator/users", "/x/%2e%2e/api/v1/operator/users", "/api/v1/me/..%2Foperator/users",
        "/api/v1/./operator/users", "/%6fperator/people", "/environments/../operator/people", "/v1/../api/v1/me",
        "/v1/%73ys/health", "/api/v1/x/.%2E",
    ],
)  # fmt: skip
def test_a_path_that_a_proxys_rule_may_read_otherwise_is_not_found(path: str) -> None:
    application = Application()
    status, headers, body = ask(Door(application, settings()), scope(path))
    assert (status, application.asked) == (404, [])
    assert headers["content-type"] in ("application/problem+json", "application/json")
    assert b"slash" in body


@pytest.mark.parametrize(
    "path",
    [
        "/", "/x", "/api/v1/environments/team%2Fapp", "/api/v1/environments/a%20b/values", "/v1/secret/data/team%2Fapp",
        "/v1/secret/data/a/../b", "/v1/secret/data//a", "/environments/a%2eb", "/.well-known/security.txt",
        "/environments/...", "/static/x/a.css", "/api/v1/operator/users/",
    ],
)  # fmt: skip
def test_every_other_path_goes_to_the_application(path: str) -> None:
    assert ask(Door(Application(), settings()), scope(path))[0] == 200


def test_only_proxies_and_probes_may_use_plain_http() -> None:
    behind = settings(plain_http=True, trusted_proxies=PROXIES)
    for client, path, expected in [
        ("203.0.113.1", "/x", 403),
        ("203.0.113.1", "/livez", 200),
        ("10.0.0.1", "/x", 200),
        ("::ffff:10.0.0.1", "/x", 200),
    ]:
        assert ask(Door(Application(), behind), scope(path, client=client))[0] == expected


def test_repeated_fields_are_joined_each_in_its_way() -> None:
    fields = [(b"cookie", b"a=1"), (b"accept", b"x"), (b"cookie", b"b=2"), (b"accept", b"y")]
    assert joined(fields) == {b"cookie": b"a=1; b=2", b"accept": b"x, y"}


def test_claims_are_dropped_and_ordinary_headers_stay() -> None:
    names = [b"x-forwarded-for", b"forwarded", b"x-real-ip", b"x-client-cert", b"ssl-client-verify", b"x-request-id"]
    headers = dict.fromkeys([*names, b"x-strongroom", b"prefer", b"sec-fetch-site"], b"v")
    assert drop_claims(headers) is True
    assert set(headers) == {b"x-strongroom", b"prefer", b"sec-fetch-site"}
    assert drop_claims({b"x-client-cert": b"v"}) is False
