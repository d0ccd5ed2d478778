"""`strongroom db`: the database's schema."""

from __future__ import annotations

import click

from vault.cli import host
from vault.cli.words import say


@click.group()
def db() -> None:
    """Look after the database."""


@db.command()
def upgrade() -> None:
    """Bring the database to this release's schema; make the vault where there is none yet."""
    from vault.app import prepare_vault

    found = host.vault_settings()
    made = prepare_vault(found)
    host.warn_of_neighbours(found)
    if made:
        host.tell_of_new_vault(found)
    say("The database has this release's schema.")


@db.command()
def status() -> None:
    """Say whether the schema is current, empty, older or newer than this release."""
    from vault.storage import Storage, schema_state

    storage = Storage(host.settings().database_url, pool_size=1)
    try:
        with storage.read() as unit:
            click.echo(schema_state(unit.connection))
    finally:
        storage.close()
