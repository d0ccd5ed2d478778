"""Shared by the operators' commands on the host: the settings, the opened vault, and the acting operator."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vault.cli.words import CliError, say

if TYPE_CHECKING:
    from vault.model.principal import Principal
    from vault.services import Services
    from vault.settings import Settings


def settings() -> Settings:
    """Return the server's settings from the environment. Raises `SettingsError`."""
    from vault import observe
    from vault.settings import load

    # Files that this process creates (the database, its log, the keyring) are only for its own account.
    os.umask(0o077)
    found = load()
    observe.configure(level="warning", style="console")
    return found


def vault_settings() -> Settings:
    """Return the settings. Asks for the keyring's passphrase if it is needed, not set, and a person is at a
    terminal.
    """
    from vault.keys import keyring_file

    found = settings()
    place = keyring_file(found, "passphrase")
    exists = place is not None and place.exists()
    if found.passphrase or not sys.stdin.isatty() or not (exists or found.key_provider == "passphrase"):
        return found
    # A new passphrase is typed twice, because the input is hidden.
    words = "Passphrase of the keyring"
    return replace(found, passphrase=click.prompt(words, hide_input=True, err=True, confirmation_prompt=not exists))


@contextmanager
def opened_vault() -> Iterator[Services]:
    """Open the vault of the settings on this host. Raises what `open_vault` raises."""
    from vault.app import open_vault

    found = vault_settings()
    refuse_absent(found)
    services = open_vault(found)
    try:
        yield services
    finally:
        services.close()


def refuse_absent(found: Settings) -> None:
    """Raise `CliError` if the embedded database does not exist: SQLite would only say that it cannot be opened."""
    from vault.storage import is_missing

    place = embedded_database(found)
    if place is not None and is_missing(found.database_url):
        raise CliError(
            f"There is no vault at {place} yet. 'strongroom serve' creates one. If yours is elsewhere, set "
            "STRONGROOM_DATA_DIR or STRONGROOM_DATABASE_URL, as for the server."
        )


def embedded_database(found: Settings) -> Path | None:
    """Return the file of a SQLite database; None for any other database."""
    url = found.database_url.partition("?")[0]
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:////") else None


def operator() -> Principal:
    """Return the operator with a shell on this host, under the name that the system gives them."""
    from vault.cli.operators.account import account_name
    from vault.model.principal import host_operator

    return host_operator(account_name())


def prepare(found: Settings) -> str:
    """Upgrade the database, create a vault if there is none, and print what was done. Returns the previous migration.

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
    """Record the upgrade in the audit, which needs the vault's keys. Print a warning if they are not available."""
    from vault.app import open_vault
    from vault.errors import StrongroomError

    try:
        services = open_vault(found)
        try:
            services.keys.upgrading.record(operator(), before)
        finally:
            services.close()
    except StrongroomError as error:
        say(f"Warning: the upgrade is not in the audit, because the vault cannot be opened here: {error.message}")


def is_beside_data(found: Settings) -> bool:
    """Report whether the keyring is in the data directory."""
    return found.keyring.resolve().is_relative_to(found.data_dir.resolve())


def beside_data(found: Settings) -> str:
    """Return what is wrong with a keyring in the data directory, and what to do."""
    return (
        f"The keyring {found.keyring} is in the data directory. Move it, and set STRONGROOM_KEYRING, so that a "
        "copy of the data does not include the key."
    )


def warn_of_neighbours(found: Settings) -> None:
    """Warn if the keyring is in the data directory."""
    if is_beside_data(found):
        say(f"Warning: {beside_data(found)}")


def tell_of_new_vault(found: Settings) -> None:
    """Say where the master key of the new vault is, and what to do about it."""
    from vault.keys import keyring_file

    place = keyring_file(found, found.key_provider)
    if place is None:
        say(
            f"A new vault was created. Its master key is in {found.key_provider}. Make sure that it is backed up there."
        )
    else:
        say(f"A new vault was created. Its keyring is {place}. Keep a copy of it away from the data.")
