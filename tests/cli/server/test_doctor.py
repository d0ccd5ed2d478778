"""`strongroom doctor --server`: each thing that can be wrong is told, with what to do."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.tls_server import HOUR, NOW, Certificate, Server, make_certificate, say
from vault.cli import root
from vault.cli.people.doctor import Finding, examine
from vault.client import Response

OK = '{"status":"ok"}'


def healthy(status: str = "200 OK", *, late: timedelta = timedelta(0), **headers: str) -> bytes:
    named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    date = format_datetime(datetime.now(UTC) + late, usegmt=True)
    return f"HTTP/1.1 {status}\r\nDate: {date}\r\n{named}Content-Length: 15\r\n\r\n{OK}".encode()


Examine = Callable[..., dict[str, Finding]]


@pytest.fixture
def look(tmp_path: Path) -> Iterator[Examine]:
    """Starts a server and examines it; the findings by check."""
    servers: list[Server] = []

    def examine_new(
        *answers: bytes, certificate: Certificate | None = None, trusts: bool = True, host: str = "localhost"
    ) -> dict[str, Finding]:
        certificate = certificate or make_certificate(tmp_path, hours=24 * 90)
        servers.append(Server(certificate, *map(say, answers or [healthy()])))
        ca_file = str(certificate.ca_file) if trusts else None
        found = {finding.check: finding for finding in examine(f"https://{host}:{servers[-1].port}", ca_file)}
        assert not any(b"authorization" in request.lower() for request in servers[-1].requests)
        return found

    yield examine_new
    for server in servers:
        server.close()


def test_a_server_that_is_well(look: Examine) -> None:
    found = look()
    assert [finding.verdict for finding in found.values()] == ["ok"] * 9
    assert list(found) == ["connection", "protocol", "chain", "name", "expiry", "alive", "HSTS", "clock", "ready"]


def test_an_authority_that_is_not_trusted(look: Examine) -> None:
    found = look(trusts=False)
    assert found["chain"].verdict == "bad"
    assert "Give the CA file" in found["chain"].sentence
    assert (found["name"].verdict, found["expiry"].verdict, found["health"].verdict) == ("ok", "ok", "skipped")


def test_a_name_that_the_certificate_lacks_is_told_even_of_an_untrusted_one(look: Examine, tmp_path: Path) -> None:
    found = look(certificate=make_certificate(tmp_path, name="vault.test"), trusts=False)
    assert found["name"].verdict == "bad"
    assert "not valid for localhost" in found["name"].sentence


@pytest.mark.parametrize(
    ("begins", "hours", "verdict", "words"),
    [
        (NOW - 5 * HOUR, 2, "bad", "expired on"),
        (NOW + HOUR, 2, "bad", "Is the clock of this machine right?"),
        (NOW - HOUR, 24 * 5, "warning", "Renew it now"),
    ],
)
def test_a_certificate_near_or_past_its_end(
    begins: datetime, hours: int, verdict: str, words: str, look: Examine, tmp_path: Path
) -> None:
    found = look(certificate=make_certificate(tmp_path, begins=begins, hours=hours))
    assert found["expiry"].verdict == verdict
    assert words in found["expiry"].sentence
    assert found["chain"].verdict == "ok"


def test_a_server_that_is_not_ready(look: Examine) -> None:
    found = look(healthy(), healthy("503 Service Unavailable"))
    assert (found["alive"].verdict, found["ready"].verdict) == ("ok", "bad")
    assert "answers 503" in found["ready"].sentence


@pytest.mark.parametrize("minutes", [-5, 5])
def test_clocks_that_differ(minutes: int, look: Examine) -> None:
    found = look(healthy(late=timedelta(minutes=minutes)))
    assert found["clock"].verdict == "bad"
    assert "NTP" in found["clock"].sentence


def test_a_server_that_does_not_tell_its_time(look: Examine) -> None:
    assert look(f"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{OK}".encode())["clock"].verdict == "warning"


def other(status: str, body: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.mark.parametrize(
    "body",
    ["", "<!doctype html><title>Welcome</title>", "[1]", "1", '"status"', "{}", '{"status":200}', "[" * 100_000],
    ids=lambda body: body[:20],
)
def test_a_server_that_is_not_strongroom(body: str, look: Examine) -> None:
    found = look(other("200 OK", body))
    assert (found["alive"].verdict, found["ready"].verdict) == ("bad", "skipped")
    assert "is not from a Strongroom server. Is the address right?" in found["alive"].sentence
    assert not {"HSTS", "clock"} & set(found)


def test_a_page_where_the_server_should_say_that_it_is_ready(look: Examine) -> None:
    found = look(healthy(), other("200 OK", "<html>"))
    assert (found["alive"].verdict, found["ready"].verdict) == ("ok", "bad")
    assert "is not from a Strongroom server" in found["ready"].sentence


def test_another_answer_than_200_that_is_not_from_strongroom(look: Examine) -> None:
    missing = look(other("404 Not Found", "<html>"))["alive"]
    assert (missing.verdict, "is not from a Strongroom server" in missing.sentence) == ("bad", True)
    # A proxy answers like this for a Strongroom server that does not run, and that server itself refuses with a reason.
    for answered in (other("502 Bad Gateway", "<html>"), other("429 Too Many Requests", '{"detail":"Too many."}')):
        assert "is not from a Strongroom server" not in look(answered)["alive"].sentence


@pytest.mark.parametrize(
    ("header", "verdict"),
    [
        ("max-age=63072000; includeSubDomains", "ok"),
        ("max-age=3600", "warning"),
        ("max-age=x", "warning"),
        ("", "warning"),
    ],
)
def test_hsts_of_a_public_name(header: str, verdict: str) -> None:
    from vault.cli.people.doctor import _hsts
    from vault.client.address import Address

    address = Address.parse("https://vault.test", plain_http=False)
    assert _hsts(address, Response(200, {"strict-transport-security": header})).verdict == verdict


def test_a_port_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    (finding,) = examine(f"https://localhost:{port}", None)
    assert (finding.verdict, "refused the connection" in finding.sentence) == ("bad", True)


def test_a_port_that_speaks_no_tls() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        (finding,) = _examine_plain(listener, port)
    assert finding.verdict == "bad"


def _examine_plain(listener: socket.socket, port: int) -> list[Finding]:
    import threading

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"SSH-2.0-test\r\n")

    thread = threading.Thread(target=answer)
    thread.start()
    found = list(examine(f"https://localhost:{port}", None))
    thread.join()
    return found


def test_the_exit_code_is_1_where_something_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    certificate = make_certificate(tmp_path, hours=24 * 90)
    server = Server(certificate, say(healthy()))
    arguments = ["doctor", "--server", f"https://localhost:{server.port}", "--format", "json"]
    good = CliRunner().invoke(root, [*arguments, "--ca-file", str(certificate.ca_file)])
    bad = CliRunner().invoke(root, arguments)
    server.close()
    assert (good.exit_code, bad.exit_code) == (0, 1)
    assert {finding["verdict"] for finding in json.loads(good.stdout)} == {"ok"}
