"""`strongroom doctor`: checks the connection to a server step by step, and says what to do about each problem."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, cast

import click

from vault.cli.context import Cli
from vault.cli.options import connection_options, format_option, pass_cli
from vault.cli.people.authority import choose
from vault.cli.render import as_row, print_rows
from vault.client.address import Address
from vault.client.reading import not_ours
from vault.client.transport import (
    CONNECT_TIMEOUT_SECONDS,
    Authority,
    HttpsTransport,
    Request,
    Response,
    explain_certificate,
    explain_connect,
    make_tls_context,
)
from vault.errors import SettingsError, TransportError
from vault.model.clock import DAY_SECONDS, as_datetime, now_us
from vault.tls import verifying_context

Verdict = Literal["ok", "warning", "bad", "skipped"]

# Renewals usually happen weeks before the end (30 days of 90 for ACME clients).
_EXPIRY_WARNING_DAYS = 14
# Half a year, the minimum of browsers' preload lists.
_HSTS_MIN_SECONDS = 180 * DAY_SECONDS
# Wide enough for a slow answer, and far below the lifetime of any session or token.
_CLOCK_MAX_SECONDS = 30

# X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED: the expiry check reports those.
_TIME_CODES = frozenset({9, 10})
_NAME_CODES = frozenset({62, 64})


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check, as a sentence that says what to do."""

    check: str
    verdict: Verdict
    sentence: str


@click.command()
@click.option("--server", metavar="URL", help="The server's address (by default from the settings).")
@click.option("--database", is_flag=True, help="Operators, on the host: check the vault's database and keys instead.")
@format_option
@connection_options
@pass_cli
def doctor(cli: Cli, server: str | None, database: bool) -> None:
    """Check the connection to a server: certificate, protocol, HSTS, health and clock. Exits 1 where something is bad.

    No credential is sent.
    """
    if database:
        from vault.cli.root import load

        host_doctor = cast("Callable[[], Iterator[Finding]]", load("vault.cli.operators.host_doctor:host_doctor"))
        findings = list(host_doctor())
    else:
        url = (server or cli.settings.url).rstrip("/")
        findings = list(examine(url, choose(cli.settings.at(url, "--server"))))
    print_rows(cli, [as_row(finding) for finding in findings], ("check", "verdict", "sentence"))
    if any(finding.verdict == "bad" for finding in findings):
        raise click.exceptions.Exit(1)


def examine(url: str, ca_file: str | Authority | None) -> Iterator[Finding]:
    """Yield every check of a server, in the order in which a connection is made."""
    address = Address.parse(url, plain_http=False)
    try:
        version, certificate = _look(address, _unverified())
    except OSError as error:
        yield Finding("connection", "bad", str(explain_connect(error, address)))
        return
    yield Finding("connection", "ok", f"{address} accepts connections.")
    yield _protocol(version)
    certificate_findings = [_chain(address, ca_file), _name(address, certificate), _expiry(certificate)]
    yield from certificate_findings
    if any(finding.verdict == "bad" for finding in certificate_findings):
        yield Finding("health", "skipped", "The remaining checks are skipped, because the certificate is not valid.")
        return
    yield from _ask(url, ca_file, address)


def _unverified() -> ssl.SSLContext:
    """Return a TLS context without verification, to look at a certificate that may be wrong. No data is sent
    over it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _look(address: Address, context: ssl.SSLContext) -> tuple[str, bytes]:
    """Make only a handshake. Return the protocol's version and the server's certificate in DER."""
    with (
        socket.create_connection((address.host, address.port), CONNECT_TIMEOUT_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=address.host) as connection,
    ):
        return connection.version() or "unknown", connection.getpeercert(binary_form=True) or b""


def _protocol(version: str) -> Finding:
    if version == "TLSv1.3":
        return Finding("protocol", "ok", "TLS 1.3.")
    if version == "TLSv1.2":
        return Finding("protocol", "ok", "TLS 1.2. TLS 1.3 is better: check the proxy that terminates TLS.")
    return Finding("protocol", "bad", f"{version} is not secure. Configure TLS 1.2 or newer where TLS is terminated.")


def _chain(address: Address, ca_file: str | Authority | None) -> Finding:
    try:
        context = make_tls_context(ca_file)
    except SettingsError as error:
        return Finding("chain", "bad", error.message)
    context.check_hostname = False
    try:
        _look(address, context)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code not in _TIME_CODES:
            sentence = explain_certificate(error.verify_code, error.verify_message, str(address), address.host)
            return Finding("chain", "bad", sentence)
    except OSError as error:
        return Finding("chain", "bad", str(explain_connect(error, address)))
    source = ca_file.source if isinstance(ca_file, Authority) else ca_file
    return Finding("chain", "ok", f"The certificate is signed by an authority of {source or 'this system'}.")


def _name(address: Address, certificate: bytes) -> Finding:
    """Check only the name: the certificate is trusted as its own authority, so that only its name can be wrong."""
    context = verifying_context(authorities=certificate)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        _look(address, context)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in _NAME_CODES:
            sentence = explain_certificate(error.verify_code, error.verify_message, str(address), address.host)
            return Finding("name", "bad", sentence)
    except OSError as error:
        return Finding("name", "bad", str(explain_connect(error, address)))
    return Finding("name", "ok", f"The certificate is valid for {address.host}.")


def _expiry(certificate: bytes) -> Finding:
    from cryptography.x509 import load_der_x509_certificate

    found = load_der_x509_certificate(certificate)
    begin, end = found.not_valid_before_utc, found.not_valid_after_utc
    now = as_datetime(now_us())
    left_days = (end - now).total_seconds() / DAY_SECONDS
    if begin > now:
        return Finding(
            "expiry", "bad", f"The certificate begins on {begin:%Y-%m-%d}. Is the clock of this machine right?"
        )
    if left_days < 0:
        return Finding("expiry", "bad", f"The certificate expired on {end:%Y-%m-%d}. Renew it and reload the server.")
    verdict: Verdict = "ok" if left_days > _EXPIRY_WARNING_DAYS else "warning"
    advice = "" if verdict == "ok" else " Renew it now, and find out why it was not renewed automatically."
    return Finding(
        "expiry", verdict, f"The certificate is valid until {end:%Y-%m-%d}, for {left_days:.0f} more days.{advice}"
    )


def _ask(url: str, ca_file: str | Authority | None, address: Address) -> Iterator[Finding]:
    transport = HttpsTransport(url, ca_file=ca_file)
    try:
        live = transport.send(Request("GET", "/livez"))
        alive = _health("alive", live, "The process runs.", "Look at its log, and at the proxy in front of it.")
        yield alive
        if live.status == 200 and alive.verdict == "bad":
            yield Finding("ready", "skipped", "The remaining checks are skipped, because they are about Strongroom.")
            return
        yield _hsts(address, live)
        yield _clock(live)
        ready = transport.send(Request("GET", "/readyz"))
        advice = _member(ready, "detail") or "Look at its log. The database or the key provider may be unreachable."
        yield _health("ready", ready, "It serves requests.", advice)
    except TransportError as error:
        yield Finding("health", "bad", error.message)
    finally:
        transport.close()


def _health(check: str, response: Response, good: str, advice: str) -> Finding:
    if response.status == 200:
        # Any web server may answer 200, for example a proxy with its start page.
        return Finding(check, "ok", good) if _member(response, "status") else Finding(check, "bad", not_ours().message)
    if response.status < 500 and not _member(response, "detail"):
        advice = f"{not_ours().message} {advice}"
    return Finding(check, "bad", f"The server answers {response.status}. {advice}")


def _member(response: Response, name: str) -> str:
    """Return a text in the server's JSON, or an empty string."""
    try:
        found = json.loads(response.body)[name]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return found if isinstance(found, str) else ""


def _hsts(address: Address, response: Response) -> Finding:
    if address.is_loopback:
        return Finding("HSTS", "ok", "Not needed here: it would apply to every port of this machine.")
    directives = response.headers.get("strict-transport-security", "").lower().replace('"', "").split(";")
    ages = [item.strip().removeprefix("max-age=") for item in directives if item.strip().startswith("max-age=")]
    if not ages or not ages[0].isdigit():
        return Finding(
            "HSTS",
            "warning",
            "The server does not tell browsers to use only HTTPS. It does so with a configured certificate "
            "(STRONGROOM_TLS_CERT), but not with the local authority's. A proxy may also drop the header.",
        )
    if int(ages[0]) < _HSTS_MIN_SECONDS:
        return Finding("HSTS", "warning", f"Browsers forget it after {ages[0]} s. Set at least half a year.")
    return Finding("HSTS", "ok", "The server tells browsers to use only HTTPS.")


def _clock(response: Response) -> Finding:
    from email.utils import parsedate_to_datetime

    try:
        there = parsedate_to_datetime(response.headers["date"])
    except (KeyError, ValueError):
        return Finding("clock", "warning", "The server does not send its time, so the clocks were not compared.")
    apart_seconds = abs((as_datetime(now_us()) - there).total_seconds())
    if apart_seconds <= _CLOCK_MAX_SECONDS:
        return Finding("clock", "ok", f"The clocks are within {max(1, round(apart_seconds))} s of each other.")
    return Finding(
        "clock",
        "bad",
        f"The clocks are {apart_seconds:.0f} s apart, so sessions and certificates end at the wrong time. "
        "Set up time synchronisation (NTP) on the machine that is wrong.",
    )
