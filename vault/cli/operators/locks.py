"""`strongroom lock` and `strongroom unlock`: stop and resume all access to keys in an emergency."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vault.cli.operators import host
from vault.cli.words import say
from vault.errors import StrongroomError

if TYPE_CHECKING:
    from vault.services.keys.locking import LockChange


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
    """Write the flag and print the result. It needs no key, so it waits for no key provider and no passphrase."""
    from vault.services.keys import locking
    from vault.storage import Storage

    found = host.settings()
    host.refuse_absent(found)
    storage = Storage(found.database_url, pool_size=1)
    change_flag = locking.lock if locked else locking.unlock
    try:
        change = change_flag(storage, host.operator())
    finally:
        storage.close()
    if locked:
        say("The vault is locked." if change.changed else "The vault was already locked.")
    else:
        say("The vault is unlocked." if change.changed else "The vault was not locked.")
    if change.warning:
        say(f"Warning: {change.warning}")
    return change


def _record(*, locked: bool) -> None:
    """Record the change in the audit, which needs the vault's keys. Print a warning if they are not available."""
    from vault.app import open_vault
    from vault.services.keys import locking

    try:
        storage = open_vault(host.vault_settings()).storage
    except StrongroomError as error:
        say(f"Warning: this is not in the audit, because the vault cannot be opened here: {error.message}")
        return
    try:
        assert storage.signer is not None
        if refused := locking.record(storage, storage.signer, host.operator(), locked=locked):
            say(f"Warning: {refused}")
    finally:
        storage.close()
