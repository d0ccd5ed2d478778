"""`strongroom backup`: makes archives of the whole vault, and restores them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

import click

from vault.cli.context import Cli
from vault.cli.operators import host
from vault.cli.operators.archives import Where, archive_options, found_archive, places_of
from vault.cli.options import format_option, pass_cli
from vault.cli.progress import phase_bars
from vault.cli.render import print_rows
from vault.cli.words import FAULTS_NAMED, CliError, say, warn
from vault.model.clock import CLOCKS_DIFFER_US, MINUTE_US, as_datetime, now_us

if TYPE_CHECKING:
    from vault.services.backup import Contents, ContentsCheck, Dropped, PlaceReport, Restored, StoredArchive

_COLUMNS = ["created_at", "kind", "size", "expires_at", "place", "name"]


@click.group()
def backup() -> None:
    """Make, verify and list backups, and restore one."""


@backup.command()
def key() -> None:
    """Make the backup key, which seals and opens archives. It opens nothing else, and is never replaced."""
    from vault.keys import backup as backup_key
    from vault.wiring import backup_plan

    path = backup_plan(host.settings()).key_file
    made = backup_key.make(path)
    say(f"The backup key {made.id} is in {path}.")
    say("Keep a copy away from this machine and from the archives. Without it, no archive can be opened.")


@backup.command()
@click.option(
    "--if-changed",
    is_flag=True,
    help="Make an archive only if data changed since the newest one, and keep it for hours, not days.",
)
@click.option(
    "--trust-clock", is_flag=True, help="Delete archives by their dates only, even after long gaps between backups."
)
def create(if_changed: bool, trust_clock: bool) -> None:
    """Put an archive of this moment into every place of STRONGROOM_BACKUP_TO, and delete what is past its time."""
    from vault.services.backup import ArchiveKind

    kind = ArchiveKind.RECENT if if_changed else ArchiveKind.DAILY
    with host.opened_vault() as vault:
        made = vault.backups.create(host.operator(), kind, only_if_changed=if_changed, trust_clock=trust_clock)
    if made.name:
        click.echo(made.name)
        say(f"An archive of {made.rows:,} rows, {_size(made.size_bytes)}.")
    elif not made.places:
        say("Nothing has changed since the newest archive.")
    if made.left_out:
        parts = ", ".join(made.left_out)
        say(
            "Warning: the archive lacks tables and columns of a newer release, so it is only restored with "
            f"--incomplete: {parts}. Make the backup with that release."
        )
    warn(made.warnings)
    _tell_places(made.places)


@backup.command("list")
@click.option("--from", "addresses", metavar="PLACE", multiple=True, help="Look here instead of STRONGROOM_BACKUP_TO.")
@format_option
@pass_cli
def list_archives(cli: Cli, addresses: Sequence[str]) -> None:
    """List the archives in every place, the newest first. It needs no keyring and no database."""
    from vault.services.backup import held_in
    from vault.wiring import backup_plan

    found = host.settings()
    plan = backup_plan(found)
    held, failed = held_in(places_of(found, addresses), plan.keeping, plan.place_seconds)
    print_rows(cli, list(map(_row, held)), _COLUMNS)
    if not held and not failed:
        say("There is no archive in any of these places.")
    _tell_places(failed)


@backup.command()
@archive_options
@click.option("--keys", "opens", is_flag=True, help="Restore it into a temporary database, and open every blob.")
def verify(archive: str, opens: bool, **where: Unpack[Where]) -> None:
    """Read an archive to its end, and prove that it is whole; with --keys, that this keyring opens all of it."""
    from vault.app import restorer

    found = host.vault_settings() if opens else host.settings()
    with found_archive(found, archive, **where) as (opened, _), phase_bars() as phases:
        if opens:
            contents, proof = restorer(found).drill(host.operator(), opened, phases)
        else:
            contents, proof = opened.verify(phases("Reading bytes")), None
    say(f"{opened.name} is whole.")
    say(_of_when(contents))
    if proof is None:
        say("Use --keys to check that the keyring opens its content.")
        return
    _tell_proof(proof)
    if proof.faults:
        raise CliError(
            f"{len(proof.faults):,} items in the archive are damaged. They were already damaged when it was made."
        )
    if proof.missing:
        raise CliError("The archive is incomplete.")


@backup.command()
@archive_options
@click.option(
    "--without-erased-list", is_flag=True, help="Ignore the lists of erased keys. This brings erased people back."
)
@click.option("--despite-faults", is_flag=True, help="Also restore rows that were broken when the archive was made.")
@click.option("--incomplete", is_flag=True, help="Restore an archive of an older release that did not save all parts.")
def restore(
    archive: str, without_erased_list: bool, despite_faults: bool, incomplete: bool, **where: Unpack[Where]
) -> None:
    """Restore an archive into the empty database of STRONGROOM_DATABASE_URL, and open everything in it.

    It is stored as a whole once everything is proven, or not at all: after a restore that was cut short, start it
    again.
    """
    from vault.app import restorer

    found = host.vault_settings()
    with found_archive(found, archive, **where) as (opened, places):
        say(f"Restoring {opened.name}. Nothing is stored before all of it is verified.")
        with phase_bars() as phases:
            restored = restorer(found).restore(
                host.operator(),
                opened,
                places,
                phases,
                without_list=without_erased_list,
                despite_faults=despite_faults,
                incomplete=incomplete,
            )
    _tell_restored(restored)


@backup.command("drop-erased")
def drop_erased() -> None:
    """Erase again everything in the lists of erased keys, after a restore with the database's own tools."""
    with host.opened_vault() as vault:
        dropped, reports = vault.backups.drop_erased(host.operator())
    _tell_dropped(dropped)
    if not dropped.people and not dropped.environments:
        say("The database has nothing from the lists of erased keys.")
    _tell_places(reports)


def _tell_places(reports: Sequence[PlaceReport]) -> None:
    """Print the result of each place. Raises `CliError` if one has failed."""
    for report in reports:
        warn(report.warnings)
        if report.is_stored:
            gone = f" {len(report.deleted)} expired archives were deleted." if report.deleted else ""
            say(f"{report.place}: stored.{gone}")
    failed = [report for report in reports if report.error]
    for report in failed:
        say(f"{report.place}: FAILED. {report.error}")
    if failed:
        raise CliError(f"{len(failed)} of the places failed: {', '.join(report.place for report in failed)}.")


def _tell_proof(proof: ContentsCheck) -> None:
    say(f"- {proof.rows:,} signed rows were checked. Rows of the audit and of counters are not signed like this.")
    say(f"- {proof.events:,} audit events were verified: whether one was changed, moved or removed.")
    say(f"- {proof.blobs:,} blobs were opened: keys, passwords, descriptions and revisions of each environment.")
    for fault in proof.faults[:FAULTS_NAMED]:
        say(f"Broken: {fault}")
    if proof.missing:
        say(f"Incomplete: {proof.missing}")


def _tell_restored(restored: Restored) -> None:
    say("RESTORED. " + _of_when(restored.contents))
    _tell_proof(restored.proof)
    _tell_dropped(restored.dropped)
    warn(restored.warnings)
    say("The state of the vault now:")
    say("- Changes after that moment are missing.")
    say("- Every session has ended. People log in again with the passwords and second factors of that moment.")
    say(
        f"- {restored.living_tokens:,} service tokens are valid, as they were then. Revoke again those that were "
        "revoked since. Disable again the accounts that were disabled since."
    )
    say("- The audit continues from that moment. Checkpoints that were exported later no longer match it.")
    if restored.is_locked:
        say("- The vault is LOCKED, as it was then. Run `strongroom unlock`.")
    say("Next: start the server, then run `strongroom doctor --database` and `strongroom backup create`.")


def _tell_dropped(dropped: Dropped) -> None:
    if dropped.people or dropped.environments:
        say(f"Erased again: {dropped.people} people, {dropped.environments} environments.")


def _of_when(contents: Contents) -> str:
    head = contents.head
    at = as_datetime(head.created_us)
    return (
        f"It has the vault {head.instance_id} as it was at {at:%Y-%m-%d %H:%M:%S} UTC ({_ago(head.created_us)}), "
        f"{contents.rows:,} rows, written by release {head.release}."
    )


def _ago(at_us: int) -> str:
    minutes = (now_us() - at_us) // MINUTE_US
    if minutes < -(CLOCKS_DIFFER_US // MINUTE_US):
        return "in the future: a clock was wrong, or is wrong now"
    if minutes < 120:
        return f"{max(0, minutes)} minutes ago"
    return f"{minutes // 60} hours ago" if minutes < 2 * 24 * 60 else f"{minutes // (24 * 60)} days ago"


def _row(held: StoredArchive) -> dict[str, object]:
    return {
        "created_at": as_datetime(held.name.created_us),
        "kind": str(held.name.kind),
        "size": _size(held.size_bytes),
        "size_bytes": held.size_bytes,
        "expires_at": as_datetime(held.until_us),
        "place": held.place,
        "vault": held.name.vault,
        "name": str(held.name),
    }


def _size(count: int) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:,.0f} {unit}"
        count //= 1000
    return f"{count:,} GB"
