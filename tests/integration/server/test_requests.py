"""What the application sees of a request, and what every answer carries."""

from __future__ import annotations

import json

import pytest

from tests.integration.server.conftest import HANDSHAKE, SHORT_LIMITS, TOY, Dial, get, logged, request
from tests.support.serving import RunningServer


def test_every_answer_has_the_security_headers_and_no_server_name(server: RunningServer) -> None:
    for path in ("/livez", "/readyz", "/nowhere", "/crash"):
        headers = get(server, path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert len(headers["x-request-id"]) == 24
        assert "server" not in headers


def test_the_local_authority_brings_no_hsts(server: RunningServer) -> None:
    assert "strict-transport-security" not in get(server, "/readyz").headers


def test_the_application_may_set_a_header_of_its_own_but_not_the_request_id(server: RunningServer) -> None:
    headers = get(server, "/open").headers
    assert headers["cache-control"] == "private"
    assert "," not in headers["x-request-id"]
    assert "application" not in headers["x-request-id"]


def test_the_request_id_is_ours_and_the_same_in_answer_application_and_log(server: RunningServer) -> None:
    reply = get(server, "/echo/x", **{"X-Request-Id": "chosen-by-the-client"})
    request_id = reply.headers["x-request-id"]
    assert reply.json()["environ"]["strongroom.request_id"] == request_id
    assert len(logged(server, reply)) == 1
    assert "chosen-by-the-client" not in reply.body.decode()


def test_a_slash_and_an_encoded_slash_can_be_told_apart(server: RunningServer) -> None:
    environ = get(server, "/echo/a%2Fb/c?q=1").json()["environ"]
    assert environ["PATH_INFO"] == "/echo/a/b/c"
    assert environ["RAW_URI"] == "/echo/a%2Fb/c?q=1"


def test_a_path_in_utf_8_arrives_as_it_was_sent(server: RunningServer) -> None:
    assert get(server, "/echo/M%C3%BCnchen").json()["rest"] == "München"


def test_cookie_fields_are_joined_with_semicolons(dial: Dial) -> None:
    raw = dial()
    raw.send(b"GET /echo/x HTTP/1.1\r\nHost: localhost\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n")
    assert raw.reply().json()["cookies"] == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    "name",
    ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "X-Real-IP"],
)
def test_what_a_stranger_says_about_others_is_dropped_and_noted(server: RunningServer, name: str) -> None:
    echoed = get(server, "/echo/x", **{name: "203.0.113.9"}).json()
    assert "203.0.113.9" not in json.dumps(echoed)
    assert echoed["environ"]["REMOTE_ADDR"] == "127.0.0.1"
    assert echoed["environ"]["wsgi.url_scheme"] == "https"
    assert echoed["environ"]["strongroom.forwarded_by_stranger"] is True


@pytest.mark.parametrize(
    "name", ["X-Client-Cert", "X_Client_Cert", "X-Client-Cert-Chain", "SSL-Client-Verify", "Proxy"]
)
def test_a_certificate_in_a_header_is_never_believed(server: RunningServer, name: str) -> None:
    assert "forged" not in get(server, "/echo/x", **{name: "forged"}).body.decode()


def test_the_log_has_one_line_for_a_request_without_its_path_query_or_body(server: RunningServer) -> None:
    reply = request(server, "POST", "/echo/canary-path?q=canary-query", body=b"canary-body")
    (line,) = logged(server, reply)
    told = json.loads(line)
    assert (told["method"], told["route"], told["status"]) == ("POST", "/echo/<path:rest>", 200)
    assert "canary" not in line


def test_a_crash_is_logged_without_locals_and_without_the_message(server: RunningServer) -> None:
    reply = get(server, "/crash")
    assert reply.status == 500
    lines = logged(server, reply)
    assert any("ValueError: (message withheld)" in line for line in lines)
    assert not any("canary-in-a-local" in line for line in lines)


def test_the_application_is_started_in_each_worker(server: RunningServer) -> None:
    pid = get(server, "/pid").json()["pid"]
    assert (server.data_dir / f"started-{pid}").exists()


def test_a_websocket_is_refused_where_nothing_serves_it(dial: Dial) -> None:
    raw = dial()
    raw.send(HANDSHAKE)
    reply = raw.reply()
    assert (reply.status, reply.json()["code"]) == (404, "not_found")
    assert raw.is_closed()


def test_behind_a_named_proxy_the_client_is_whom_the_proxy_names(tmp_path_factory: pytest.TempPathFactory) -> None:
    behind = SHORT_LIMITS | {"STRONGROOM_PLAIN_HTTP": "1", "STRONGROOM_TRUSTED_PROXIES": "127.0.0.1/32,10.0.0.0/8"}
    with RunningServer(tmp_path_factory.mktemp("proxied"), behind, factory=TOY) as proxied:
        claims = {"X-Forwarded-For": "192.0.2.1, 203.0.113.9, 10.1.2.3", "X-Forwarded-Proto": "https"}
        reply = get(proxied, "/echo/x", **claims)
        environ = reply.json()["environ"]
        assert environ["REMOTE_ADDR"] == "203.0.113.9"
        assert environ["wsgi.url_scheme"] == "https"
        assert environ["strongroom.forwarded_by_stranger"] is False
        assert "strict-transport-security" in reply.headers


def test_plain_http_from_a_stranger_is_refused_but_for_the_probes(tmp_path_factory: pytest.TempPathFactory) -> None:
    behind = SHORT_LIMITS | {"STRONGROOM_PLAIN_HTTP": "1", "STRONGROOM_TRUSTED_PROXIES": "192.0.2.0/24"}
    with RunningServer(tmp_path_factory.mktemp("strange"), behind, factory=TOY) as proxied:
        assert get(proxied, "/echo/x").status == 403
        assert get(proxied, "/livez").status == 200
        assert get(proxied, "/readyz").status == 200
