"""`strongroom serve`: prepares the vault, then serves it in the foreground."""

from __future__ import annotations

import errno
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from vault.cli.operators import host
from vault.cli.operators.certificate import look_at
from vault.cli.words import say
from vault.errors import SettingsError
from vault.model.clock import as_datetime, now_us

if TYPE_CHECKING:
    from vault.settings import Settings


@click.command()
@click.option("--bind", metavar="HOST:PORT", help="Where to listen (STRONGROOM_BIND; 127.0.0.1:8443).")
@click.option("--workers", type=click.IntRange(1, 64), help="How many processes answer (STRONGROOM_WORKERS; 2).")
def serve(bind: str | None, workers: int | None) -> None:
    """Serve the vault over HTTPS until told to stop.

    Every setting is an environment variable; see docs/reference/settings.md. An embedded or empty database is set up
    first.
    """
    from vault.server import ca_file
    from vault.server import serve as run
    from vault.services.backup import recipients_of
    from vault.settings import check, check_certificate

    found = host.vault_settings()
    found = replace(found, bind=found.bind if bind is None else bind, workers=workers or found.workers)
    check(found)
    # All of this comes before the vault is made.
    check_certificate(found)
    recipients_of(found.backup_recipients)
    _require_own_address("STRONGROOM_BIND", found.bind)
    if found.metrics_bind:
        _require_own_address("STRONGROOM_METRICS_BIND", found.metrics_bind)
    _make_ready(found)
    host.warn_of_neighbours(found)
    _warn_of_certificate(found)
    if is_taken(found.bind):
        # Continue: workers of a crashed server may use the port for a moment, and gunicorn tries for 5 s.
        say(f"{found.bind} is in use by another program. Trying for 5 seconds. For another port: --bind HOST:PORT.")
    else:
        say(f"Strongroom serves {'http' if found.plain_http else 'https'}://{found.bind}")
    certificate = ca_file(found)
    if certificate is not None:
        say(f"The certificate of its authority, for clients, is {certificate}")
    run(found)


def _warn_of_certificate(found: Settings) -> None:
    if found.tls_cert is None or found.plain_http:
        return
    finding = look_at(found.tls_cert, found.tls_key, as_datetime(now_us()))
    if finding.verdict != "ok":
        say(f"Warning: {finding.sentence}")


def is_taken(bind: str) -> bool:
    """Report whether a program already listens at `host:port`."""
    error = _refusal_of(bind)
    return error is not None and error.errno == errno.EADDRINUSE


def _require_own_address(variable: str, bind: str) -> None:
    """Raise `SettingsError` if this machine cannot listen at the address, for a reason other than that it is in use."""
    error = _refusal_of(bind)
    if error is not None and error.errno != errno.EADDRINUSE:
        raise SettingsError(f"{variable} is {bind}, where this machine cannot listen: {error.strerror}.") from error


def _refusal_of(bind: str) -> OSError | None:
    """Return why this process cannot listen at `host:port`, or None if it can."""
    from vault.settings import socket_address

    family, host, port = socket_address(bind)
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None


def _make_ready(found: Settings) -> None:
    from vault.app import open_vault, stored_schema

    if found.embedded or not stored_schema(found):
        host.prepare(found)
    # Report a vault that cannot be opened once, here, and not from each worker that starts and fails.
    vault = open_vault(found, as_worker=True)
    if vault.instance.locked:
        say("The vault is locked, by an operator ('strongroom unlock') or until its key provider answers.")
    vault.close()
