"""`strongroom lock` and `strongroom unlock`: the operator's emergency brake."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from vault.cli import host
from vault.cli.words import say
from vault.errors import KeyProviderError, KeyProviderUnavailable

if TYPE_CHECKING:
    from vault.storage import Storage


@click.command()
def lock() -> None:
    """Lock the vault: within a second every worker forgets all keys and answers 503, until `unlock`."""
    from vault.services.locking import lock as lock_vault

    with _database() as storage:
        changed = lock_vault(storage, host.operator())
    say("The vault is locked." if changed else "The vault was locked already.")


@click.command()
def unlock() -> None:
    """Unlock the vault; its workers ask the key provider, and go on."""
    from vault.services.locking import unlock as unlock_vault

    with _database() as storage:
        changed = unlock_vault(storage, host.operator())
    say("The vault is unlocked." if changed else "The vault was not locked.")


@contextmanager
def _database() -> Iterator[Storage]:
    """The database, with the vault's keys where they can be had: to lock needs none, and must not wait for them."""
    from vault.app import open_vault
    from vault.storage import Storage

    found = host.vault_settings()
    host.refuse_absent(found)
    try:
        storage = open_vault(found).storage
    except (KeyProviderError, KeyProviderUnavailable) as error:
        say(f"Warning: this will not be in the audit, because the vault does not open here: {error.message}")
        storage = Storage(found.database_url, pool_size=1)
    try:
        yield storage
    finally:
        storage.close()
