"""`strongroom doctor --database`: checks from the settings of this host to an opened vault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from vault.cli.operators import host
from vault.cli.operators.certificate import look_at
from vault.cli.people.doctor import Finding
from vault.cli.words import FAULTS_NAMED
from vault.errors import StrongroomError
from vault.model.action import Action
from vault.model.clock import as_datetime, now_us

if TYPE_CHECKING:
    from vault.services.backup import StoredArchive
    from vault.settings import Settings

_LOGINS_LOOKED_AT = 200
_PEOPLE_AT_LEAST = 3
"""So many people rarely share one machine."""


def host_doctor() -> Iterator[Finding]:
    """Yield every check, in the order of a start. The first failure ends it."""
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
    return Finding("keyring", "ok", f"The keyring {found.keyring} is not in the data directory.")


def _database(found: Settings) -> Finding:
    from vault.storage import Storage, require_usable, require_whole

    host.refuse_absent(found)
    storage = Storage(found.database_url, pool_size=1)
    try:
        with storage.read() as unit:
            schema = require_usable(unit.connection)
            require_whole(unit.connection, schema)
    finally:
        storage.close()
    if schema.state == "accepted":
        return Finding("database", "ok", "The database answers. Its schema is newer, but this release can use it.")
    return Finding("database", "ok", "The database answers and has this release's schema.")


def _vault(found: Settings) -> Finding:
    from vault.app import open_vault

    services = open_vault(found)
    try:
        with services.storage.read() as unit:
            people = unit.users.count()
    finally:
        services.close()
    if services.instance.locked:
        return Finding("vault", "warning", "The keyring opens the vault. An operator has locked it.")
    return Finding("vault", "ok", f"The keyring opens the vault. Accounts: {people}.")


def _logins(found: Settings) -> Finding:
    """Check whether all logins seem to come from one address, which suggests a proxy that is not configured."""
    from vault.app import open_vault
    from vault.storage import Search

    services = open_vault(found)
    try:
        with services.storage.read() as unit:
            found_logins = unit.audit_events.page(Search(action=Action.SESSION_BEGIN), None, _LOGINS_LOOKED_AT)
    finally:
        services.close()
    told = [seen.event for seen in found_logins if seen.event.address]
    addresses, people = {event.address for event in told}, {event.user_id for event in told}
    if len(addresses) != 1 or len(people) < _PEOPLE_AT_LEAST or found.trusted_proxies:
        return Finding("logins", "ok", "The logins show no sign of a proxy that is missing in the settings.")
    return Finding(
        "logins",
        "warning",
        f"The last {len(told)} logins, of {len(people)} people, all came from {addresses.pop()}. If that is a proxy, "
        "name it in STRONGROOM_TRUSTED_PROXIES. Until then, one person's wrong passwords slow down and block everyone "
        "behind it, and the audit has only this address.",
    )


def _forwarding(found: Settings) -> Finding:
    """Check whether audit events are forwarded to the target in the settings."""
    from vault.app import open_vault
    from vault.services.audit import STUCK_US, stuck

    if not found.audit_forward:
        return Finding("forwarding", "skipped", "STRONGROOM_AUDIT_FORWARD is not set: the audit stays in the database.")
    services = open_vault(found)
    try:
        backlog, now_us = services.audit.forwarder.look(), services.clock()
    finally:
        services.close()
    if backlog is None or now_us - backlog.oldest_us < STUCK_US:
        return Finding("forwarding", "ok", f"Audit events are forwarded to {found.audit_forward}.")
    advice = "Look for audit_forward_failed in the server's log. No event is lost: they stay in the database."
    return Finding("forwarding", "warning", f"{stuck(found.audit_forward, backlog, now_us)} {advice}")


def _sweep(found: Settings) -> Iterator[Finding]:
    """Check every row and every blob, and then the audit. It continues after faults."""
    from vault.app import open_vault
    from vault.services.doctor import Sweep

    services = open_vault(found)
    try:
        sweep = Sweep(services.storage, services.instance)
        for check, look in (("macs", sweep.macs), ("references", sweep.references), ("blobs", sweep.blobs)):
            swept = look()
            yield _swept(check, f"{swept.count:,} {swept.what}.", swept.faults)
        report = services.audit.verifier.verify()
        yield _swept("audit", f"{report.size:,} events and {report.rows:,} rows match the tree.", report.faults)
    finally:
        services.close()


def _swept(check: str, sentence: str, faults: list[str]) -> Finding:
    if not faults:
        return Finding(check, "ok", sentence)
    more = f" And {len(faults) - FAULTS_NAMED} more." if len(faults) > FAULTS_NAMED else ""
    return Finding(check, "bad", " ".join(faults[:FAULTS_NAMED]) + more)


def _backups(found: Settings) -> Finding:
    from vault.services.backup import held_in
    from vault.services.backup.names import short_id
    from vault.storage import Storage, first_rows
    from vault.wiring import backup_plan

    if not found.backup_to:
        return Finding(
            "backups",
            "skipped",
            "STRONGROOM_BACKUP_TO is not set, so this check cannot tell whether there are backups.",
        )
    storage = Storage(found.database_url, pool_size=1)
    try:
        with storage.read() as unit:
            rows = first_rows(unit.connection)
    finally:
        storage.close()
    plan = backup_plan(found)
    places = plan.places()
    vault = short_id(rows.state.instance_id) if rows else None
    held, failed = held_in(places, plan.keeping, plan.place_seconds, vault)
    if failed:
        return Finding("backups", "bad", " ".join(report.error for report in failed))
    return _backup_dates([place.address for place in places], held)


def _backup_dates(places: list[str], held: list[StoredArchive]) -> Finding:
    """Check whether the newest archive of each place, by its counter, is recent enough. `held` is newest first."""
    from vault.services.backup import ahead
    from vault.services.backup.keeping import LATE_US

    now = now_us()
    newest = {each.place: each.name for each in reversed(held)}
    late = [place for place in places if place not in newest or newest[place].created_us <= now - LATE_US]
    if late:
        return Finding("backups", "warning", f"These places have no archive from the last 26 hours: {', '.join(late)}.")
    if future := ahead(newest.values(), now):
        return Finding(
            "backups",
            "warning",
            f"{future[0]} is the newest archive, and it is dated in the future. A clock was wrong then, or is wrong "
            "now. Check the clock of each host that makes backups.",
        )
    return Finding(
        "backups", "ok", f"Every place has an archive from the last 26 hours. There are {len(held)} archives in all."
    )


def _certificate(found: Settings) -> Finding:
    if found.plain_http:
        return Finding("certificate", "skipped", "A proxy terminates TLS.")
    if found.tls_cert is None:
        return Finding("certificate", "ok", "The local authority creates one for localhost when the server starts.")
    try:
        return look_at(found.tls_cert, found.tls_key, as_datetime(now_us()))
    except (OSError, ValueError) as error:
        return Finding("certificate", "bad", f"{found.tls_cert} and its key cannot be read: {error}.")
