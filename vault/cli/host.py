"""What the commands of the operator on the host share: the settings, the vault itself, and who acts."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vault.cli.words import say

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


@contextmanager
def opened_vault() -> Iterator[Services]:
    """The vault that the settings name, opened on this host. Raises what `open_vault` raises."""
    from vault.app import open_vault

    services = open_vault(settings())
    try:
        yield services
    finally:
        services.storage.close()


def operator() -> Principal:
    """Whoever holds a shell on this host, under the name of their account."""
    from vault.model.principal import host_operator

    # After `sudo`, the audit shall name the person and not root.
    return host_operator(os.environ.get("SUDO_USER") or getpass.getuser())


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
