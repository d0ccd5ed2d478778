"""`strongroom db`: the database's schema."""

from __future__ import annotations

import click

from vault.cli.operators import host
from vault.cli.words import say


@click.group()
def db() -> None:
    """Look after the database."""


@db.command()
def upgrade() -> None:
    """Bring the database to this release's schema; make the vault where there is none yet."""
    found = host.vault_settings()
    before = host.prepare(found)
    host.warn_of_neighbours(found)
    say(_upgraded(before, *_schema(found.database_url)))


@db.command()
@click.pass_context
def status(context: click.Context) -> None:
    """Compare the schema with what its migrations made. Say what was changed by hand and what to do.

    The first line of the output is one word: current, accepted (newer but usable), damaged, empty, older or newer. The
    exit code is 0 if this release can serve the database as it is.
    """
    from vault import __version__
    from vault.services.clock import now_us
    from vault.storage import Storage, schema_revision, schema_state
    from vault.storage.database.schema import SCHEMA, USABLE, inspect_database
    from vault.storage.signing.later_formats import format_states
    from vault.storage.signing.repository import describe_worker

    found = host.settings()
    host.refuse_absent(found)
    storage = Storage(found.database_url, pool_size=1)
    try:
        with storage.read() as unit:
            state, revision = schema_state(unit.connection), schema_revision(unit.connection)
            usable = state in USABLE
            inspected = inspect_database(unit.connection)
            whole = usable and not inspected.faults
            formats = format_states(unit.connection, now_us()) if whole else []
            living = unit.workers.living(now_us()) if whole else []
    finally:
        storage.close()
    click.echo("damaged" if inspected.faults else state)
    say(f"This is release {__version__} with schema {SCHEMA}. The database has {revision or 'none'}.")
    for sentence in inspected.faults:
        say(sentence)
    advice = _advice(state, revision, has_faults=bool(inspected.faults))
    if advice:
        say(advice)
    for each in formats:
        say(each.sentence)
    for worker in living:
        say(f"A worker runs on {describe_worker(worker)}.")
    if inspected.extras and state != "accepted":
        extras = ", ".join(inspected.extras)
        say(f"These tables and columns do not belong to Strongroom. As far as can be seen they do no harm: {extras}.")
    context.exit(0 if whole else 1)


def _advice(state: str, revision: str, *, has_faults: bool) -> str:
    """What to do about the schema. Empty where nothing is to be said."""
    from vault.storage.database.schema import ADVICE, USABLE, newer_sentence

    if has_faults:
        return ADVICE
    if state == "newer":
        return newer_sentence(revision)
    if state == "accepted":
        return "A newer release made this schema, and this release may use it. Nothing to do."
    return "" if state in USABLE else "Run `strongroom db upgrade`."


def _schema(database_url: str) -> tuple[str, str]:
    """The newest migration in the database (empty if there is none), and the state of its schema.

    Raises `StorageError` if the schema differs from its migrations.
    """
    from vault.storage import Storage, require_whole, schema_revision, schema_state
    from vault.storage.database.schema import USABLE

    storage = Storage(database_url, pool_size=1)
    try:
        with storage.read() as unit:
            state = schema_state(unit.connection)
            if state in USABLE:
                require_whole(unit.connection)
            return schema_revision(unit.connection), state
    finally:
        storage.close()


def _upgraded(before: str, after: str, state: str) -> str:
    if state == "accepted":
        return f"The database has a newer schema ({after}) that this release can use. Nothing was changed."
    if before == after:
        return f"The database already has this release's schema ({after}). Nothing was changed."
    if not before:
        return f"The database has this release's schema ({after})."
    return (
        f"The schema was upgraded from {before} to {after}. Start the servers of this release, run "
        "`strongroom doctor --database`, and make a new backup."
    )
