"""`strongroom db`: the database's schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vault.cli.operators import host
from vault.cli.words import say

if TYPE_CHECKING:
    from vault.storage.database.schema import SchemaStatus


@click.group()
def db() -> None:
    """Look after the database."""


@db.command()
def upgrade() -> None:
    """Bring the database to this release's schema; make the vault where there is none yet."""
    found = host.vault_settings()
    before = host.prepare(found)
    host.warn_of_neighbours(found)
    say(_upgraded(before, _schema(found.database_url)))


@db.command()
@click.pass_context
def status(context: click.Context) -> None:
    """Compare the schema with what its migrations made. Say what was changed by hand and what to do.

    The first line of the output is one word: current, accepted (newer but usable), damaged, empty, older or newer. The
    exit code is 0 if this release can serve the database as it is.
    """
    from vault import __version__
    from vault.storage import Storage, schema_status
    from vault.storage.database.schema import SCHEMA, inspect_database
    from vault.storage.signing.later_formats import format_states

    settings = host.settings()
    host.refuse_absent(settings)
    storage = Storage(settings.database_url, pool_size=1)
    try:
        with storage.read() as unit:
            found = schema_status(unit.connection)
            inspected = inspect_database(unit.connection, found)
            whole = found.is_usable and not inspected.faults
            formats = format_states(unit.connection, storage.clock()) if whole else []
            living = unit.workers.living(storage.clock()) if whole else []
    finally:
        storage.close()
    click.echo("damaged" if inspected.faults else found.state)
    say(f"This is release {__version__} with schema {SCHEMA}. The database has {found.revision or 'none'}.")
    for sentence in inspected.faults:
        say(sentence)
    advice = _advice(found, has_faults=bool(inspected.faults))
    if advice:
        say(advice)
    for each in formats:
        say(each.sentence)
    for worker in living:
        say(f"A worker runs on {worker.described}.")
    if inspected.extras and found.state != "accepted":
        extras = ", ".join(inspected.extras)
        say(f"These tables and columns do not belong to Strongroom. As far as can be seen they do no harm: {extras}.")
    context.exit(0 if whole else 1)


def _advice(found: SchemaStatus, *, has_faults: bool) -> str:
    """Return what to do about the schema. Empty if there is nothing to do."""
    from vault.storage.database.schema import ADVICE, newer_sentence

    if has_faults:
        return ADVICE
    if found.state == "newer":
        return newer_sentence(found.revision)
    if found.state == "accepted":
        return "A newer release made this schema, and this release may use it. Nothing to do."
    return "" if found.is_usable else "Run `strongroom db upgrade`."


def _schema(database_url: str) -> SchemaStatus:
    """Return the status of the database's schema. Raises `StorageError` if the schema differs from its migrations."""
    from vault.storage import Storage, require_whole, schema_status

    storage = Storage(database_url, pool_size=1)
    try:
        with storage.read() as unit:
            found = schema_status(unit.connection)
            if found.is_usable:
                require_whole(unit.connection, found)
            return found
    finally:
        storage.close()


def _upgraded(before: str, found: SchemaStatus) -> str:
    after = found.revision
    if found.state == "accepted":
        return f"The database has a newer schema ({after}) that this release can use. Nothing was changed."
    if before == after:
        return f"The database already has this release's schema ({after}). Nothing was changed."
    if not before:
        return f"The database has this release's schema ({after})."
    return (
        f"The schema was upgraded from {before} to {after}. Start the servers of this release, run "
        "`strongroom doctor --database`, and make a new backup."
    )
