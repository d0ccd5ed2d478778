"""What the commands of the operator on the host share: the settings, the vault itself, and who acts."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vault.cli.words import CliError, say

if TYPE_CHECKING:
    from vault.model.principal import Principal
    from vault.services import Services
    from vault.settings import Settings


def settings() -> Settings:
    """The server's settings, from the environment. Raises `SettingsError`."""
    from vault import observe
    from vault.settings import load

    # Whatever this process makes (the database, its log, the keyring) is for its own account alone.
    os.umask(0o077)
    found = load()
    observe.configure(level="warning", style="console")
    return found


def vault_settings() -> Settings:
    """The settings, with the keyring's passphrase asked for where it is needed, not given, and somebody is there."""
    from vault.keys import keyring_file

    found = settings()
    place = keyring_file(found, "passphrase")
    exists = place is not None and place.exists()
    if found.passphrase or not sys.stdin.isatty() or not (exists or found.key_provider == "passphrase"):
        return found
    # A new one is typed twice: nobody sees what they type.
    words = "Passphrase of the keyring"
    return found.with_changes(passphrase=click.prompt(words, hide_input=True, err=True, confirmation_prompt=not exists))


@contextmanager
def opened_vault() -> Iterator[Services]:
    """The vault that the settings name, opened on this host. Raises what `open_vault` raises."""
    from vault.app import open_vault

    found = vault_settings()
    refuse_absent(found)
    services = open_vault(found)
    try:
        yield services
    finally:
        services.storage.close()


def refuse_absent(found: Settings) -> None:
    """Raise `CliError` where the embedded database was never made: SQLite only says that it cannot be opened."""
    from vault.storage import is_missing

    place = embedded_database(found)
    if place is not None and is_missing(found.database_url):
        raise CliError(
            f"There is no vault at {place} yet: 'strongroom serve' makes one. If yours is elsewhere, set "
            "STRONGROOM_DATA_DIR or STRONGROOM_DATABASE_URL, as for the server."
        )


def embedded_database(found: Settings) -> Path | None:
    """The file of a SQLite database; None for any other database."""
    url = found.database_url.partition("?")[0]
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:////") else None


def operator() -> Principal:
    """Whoever holds a shell on this host, under the name of their account."""
    from vault.model.principal import host_operator

    # After `sudo`, the audit shall name the person and not root.
    return host_operator(os.environ.get("SUDO_USER") or getpass.getuser())


def prepare(found: Settings) -> str:
    """Upgrade the database, make a vault if there is none, and say so. Returns the newest migration from before.

    Raises what `prepare_vault` raises.
    """
    from vault.app import prepare_vault, stored_schema
    from vault.storage.database.schema import SCHEMA

    before = stored_schema(found)
    if prepare_vault(found):
        tell_of_new_vault(found)
    elif before and before < SCHEMA:
        _record_upgrade(found, before)
    return before


def _record_upgrade(found: Settings, before: str) -> None:
    """Record it in the audit, which needs the vault's keys. Print a warning if they are not available."""
    from vault.app import open_vault
    from vault.errors import StrongroomError

    try:
        services = open_vault(found)
        try:
            services.keys.upgrading.record(operator(), before)
        finally:
            services.storage.close()
    except StrongroomError as error:
        say(f"Warning: the upgrade is not in the audit, because the vault does not open here: {error.message}")


def is_beside_data(found: Settings) -> bool:
    """Whether the keyring lies in the folder of the data."""
    return found.keyring.resolve().is_relative_to(found.data_dir.resolve())


def beside_data(found: Settings) -> str:
    """What is wrong with that, and what to do."""
    return (
        f"The keyring {found.keyring} lies in the data directory. Move it, and set STRONGROOM_KEYRING: whoever "
        "copies the one must not get the other with it."
    )


def warn_of_neighbours(found: Settings) -> None:
    """Warn when the keyring lies beside the data."""
    if is_beside_data(found):
        say(f"Warning: {beside_data(found)}")


def tell_of_new_vault(found: Settings) -> None:
    """Say where the master key of the vault that was just made is, and what to do about it."""
    from vault.keys import keyring_file

    place = keyring_file(found, found.key_provider)
    if place is None:
        say(f"A new vault was made. Its master key is held by {found.key_provider}: see to its backup there.")
    else:
        say(f"A new vault was made. Its keyring is {place}: keep a copy of it apart from the data.")
