"""`strongroom doctor --database`: what stands between the settings of this host and a vault that opens."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from vault.cli.operators import host
from vault.cli.people.doctor import Finding, Verdict
from vault.errors import StrongroomError
from vault.model.action import Action

if TYPE_CHECKING:
    from vault.services.backup import Held
    from vault.settings import Settings

_CERTIFICATE_WARNING_DAYS = 14
_FAULTS_NAMED = 20
_LOGINS_LOOKED_AT = 200
_PEOPLE_AT_LEAST = 3
"""As many people as seldom share one machine."""


def host_doctor() -> Iterator[Finding]:
    """Every check, in the order in which a start comes about; the first that fails ends it."""
    try:
        found = host.vault_settings()
    except StrongroomError as error:
        yield Finding("settings", "bad", error.message)
        return
    yield Finding("settings", "ok", "Every STRONGROOM_ variable is known and usable.")
    yield _keyring_place(found)
    looks = (("database", _database), ("vault", _vault), ("certificate", _certificate), ("logins", _logins))
    for check, look in looks:
        finding = _told(check, look, found)
        yield finding
        if finding.verdict == "bad":
            return
    yield _told("forwarding", _forwarding, found)
    yield _told("backups", _backups, found)
    yield from _sweep(found)


def _told(check: str, look: Callable[[Settings], Finding], found: Settings) -> Finding:
    try:
        return look(found)
    except StrongroomError as error:
        return Finding(check, "bad", error.message)


def _keyring_place(found: Settings) -> Finding:
    if host.is_beside_data(found):
        return Finding("keyring", "warning", host.beside_data(found))
    return Finding("keyring", "ok", f"The keyring {found.keyring} lies apart from the data.")


def _database(found: Settings) -> Finding:
    from vault.storage import Storage, require_usable, require_whole

    host.refuse_absent(found)
    storage = Storage(found.database_url, pool_size=1)
    try:
        with storage.read() as unit:
            state = require_usable(unit.connection)
            require_whole(unit.connection)
    finally:
        storage.close()
    if state == "accepted":
        return Finding("database", "ok", "The database answers. Its schema is newer, but this release can use it.")
    return Finding("database", "ok", "The database answers and has this release's schema.")


def _vault(found: Settings) -> Finding:
    from vault.app import open_vault

    services = open_vault(found)
    try:
        with services.storage.read() as unit:
            people = unit.users.count()
    finally:
        services.storage.close()
    if services.instance.locked:
        return Finding("vault", "warning", "The keyring opens the vault, and an operator keeps it locked.")
    return Finding("vault", "ok", f"The keyring opens the vault; accounts: {people}.")


def _logins(found: Settings) -> Finding:
    """Whether everybody seems to come from one address: a proxy that nobody has named."""
    from vault.app import open_vault
    from vault.storage import Search

    services = open_vault(found)
    try:
        with services.storage.read() as unit:
            rows = unit.audit_events.page(Search(action=Action.SESSION_BEGIN), None, _LOGINS_LOOKED_AT)
    finally:
        services.storage.close()
    told = [row for row in rows if row.address]
    addresses, people = {row.address for row in told}, {row.user_id for row in told}
    if len(addresses) != 1 or len(people) < _PEOPLE_AT_LEAST or found.trusted_proxies:
        return Finding("logins", "ok", "Nothing speaks for a proxy that is not named.")
    return Finding(
        "logins",
        "warning",
        f"The last {len(told)} logins, of {len(people)} people, all came from {addresses.pop()}. If that is a proxy, "
        "name it in STRONGROOM_TRUSTED_PROXIES: as it is, wrong passwords of anybody slow down and refuse everybody "
        "behind it, and the audit has no other address.",
    )


def _forwarding(found: Settings) -> Finding:
    """Whether audit events are forwarded to the target in the settings."""
    from vault.app import open_vault
    from vault.services.audit import STUCK_US, stuck

    if not found.audit_forward:
        return Finding("forwarding", "skipped", "STRONGROOM_AUDIT_FORWARD is not set: the audit stays in the database.")
    services = open_vault(found)
    try:
        backlog, now_us = services.audit.forwarder.look(), services.clock()
    finally:
        services.storage.close()
    if backlog is None or now_us - backlog.oldest_us < STUCK_US:
        return Finding("forwarding", "ok", f"Audit events are forwarded to {found.audit_forward}.")
    advice = "Look for audit_forward_failed in the server's log. No event is lost: they wait in the database."
    return Finding("forwarding", "warning", f"{stuck(found.audit_forward, backlog, now_us)} {advice}")


def _sweep(found: Settings) -> Iterator[Finding]:
    """Every row and every blob, and then the audit: all of it is looked at, whatever is found."""
    from vault.app import open_vault
    from vault.services.doctor import Sweep

    services = open_vault(found)
    try:
        sweep = Sweep(services.storage, services.instance)
        for check, look in (("macs", sweep.macs), ("references", sweep.references), ("blobs", sweep.blobs)):
            swept = look()
            yield _swept(check, f"{swept.count:,} {swept.what}.", swept.faults)
        report = services.audit.verifier.verify()
        yield _swept("audit", f"{report.size:,} events and {report.rows:,} rows agree with the tree.", report.faults)
    finally:
        services.storage.close()


def _swept(check: str, sentence: str, faults: list[str]) -> Finding:
    if not faults:
        return Finding(check, "ok", sentence)
    more = f" And {len(faults) - _FAULTS_NAMED} more." if len(faults) > _FAULTS_NAMED else ""
    return Finding(check, "bad", " ".join(faults[:_FAULTS_NAMED]) + more)


def _backups(found: Settings) -> Finding:
    from vault.services.backup import held_in, keeping, places_at
    from vault.services.backup.names import short_id
    from vault.storage import Storage, first_rows

    if not found.backup_to:
        return Finding(
            "backups", "skipped", "STRONGROOM_BACKUP_TO is not set: what copies there are, nobody here knows."
        )
    storage = Storage(found.database_url, pool_size=1)
    try:
        with storage.read() as unit:
            rows = first_rows(unit.connection)
    finally:
        storage.close()
    places = places_at(found.backup_to)
    held, failed = held_in(places, keeping(found), short_id(rows.state.instance_id) if rows else None)
    if failed:
        return Finding("backups", "bad", " ".join(told.error for told in failed))
    return _backup_dates([place.address for place in places], held)


def _backup_dates(places: list[str], held: list[Held]) -> Finding:
    """Whether the newest archive of each place, by its counter, is recent enough. `held` is newest first."""
    from vault.services.backup import ahead
    from vault.services.backup.keeping import LATE_US
    from vault.services.clock import now_us

    now = now_us()
    newest = {each.place: each.name for each in reversed(held)}
    late = [place for place in places if place not in newest or newest[place].created_us <= now - LATE_US]
    if late:
        return Finding("backups", "warning", f"No archive of the last 26 hours lies in {', '.join(late)}.")
    if future := ahead(newest.values(), now):
        return Finding(
            "backups",
            "warning",
            f"{future[0]} is the newest archive, and it is dated in the future: a clock was wrong then, or is wrong "
            "now. Check the clock of each host that makes backups.",
        )
    return Finding("backups", "ok", f"Every place has an archive of the last 26 hours; there are {len(held)} in all.")


def _certificate(found: Settings) -> Finding:
    from cryptography import x509

    if found.plain_http:
        return Finding("certificate", "skipped", "A proxy ends TLS.")
    if found.tls_cert is None:
        return Finding("certificate", "ok", "The local authority makes one for localhost when the server starts.")
    try:
        certificate = x509.load_pem_x509_certificate(found.tls_cert.read_bytes())
    except (OSError, ValueError) as error:
        return Finding("certificate", "bad", f"{found.tls_cert} cannot be read as a certificate: {error}.")
    left = certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    if left.total_seconds() <= 0:
        return Finding("certificate", "bad", f"{found.tls_cert} has expired: put a new one in its place.")
    verdict: Verdict = "warning" if left.days < _CERTIFICATE_WARNING_DAYS else "ok"
    return Finding("certificate", verdict, f"{found.tls_cert} is good for {left.days} more days.")
