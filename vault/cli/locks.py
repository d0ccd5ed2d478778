"""`strongroom lock` and `strongroom unlock`: the operator's emergency brake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vault.cli import host
from vault.cli.words import say
from vault.errors import StrongroomError

if TYPE_CHECKING:
    from vault.services.locking import LockChange
    from vault.settings import Settings
    from vault.storage import Storage


@click.command()
def lock() -> None:
    """Lock the vault: within a second every worker forgets all keys and answers 503, until `unlock`."""
    _change_and_record(locked=True)


@click.command()
def unlock() -> None:
    """Unlock the vault; its workers ask the key provider, and go on."""
    _change_and_record(locked=False)


def _change_and_record(*, locked: bool) -> None:
    change = _change(locked=locked)
    if change.changed and not change.warning:
        _record(locked=locked)


def _change(*, locked: bool) -> LockChange:
    """Write the flag, and say so. It needs no key, so it waits neither for the key provider nor for a passphrase."""
    from vault.services import locking

    found = host.settings()
    host.refuse_absent(found)
    storage = _storage(found)
    try:
        change = (locking.lock if locked else locking.unlock)(storage, host.operator())
    finally:
        storage.close()
    if locked:
        say("The vault is locked." if change.changed else "The vault was locked already.")
    else:
        say("The vault is unlocked." if change.changed else "The vault was not locked.")
    if change.warning:
        say(f"Warning: {change.warning}")
    return change


def _record(*, locked: bool) -> None:
    """Write it into the audit, with the vault's keys where they can be had."""
    from vault.app import open_vault
    from vault.services import locking

    try:
        storage = open_vault(host.vault_settings()).storage
    except StrongroomError as error:
        say(f"Warning: this is not in the audit, because the vault does not open here: {error.message}")
        return
    try:
        assert storage.signer is not None
        if refused := locking.record(storage, storage.signer, host.operator(), locked=locked):
            say(f"Warning: {refused}")
    finally:
        storage.close()


def _storage(found: Settings) -> Storage:
    from vault.storage import Storage

    return Storage(found.database_url, pool_size=1)
