"""Stores the token of a login between calls: in the operating system's keychain, or in a file of mode 0600.

Tokens are stored by the address of the server that gave them, and are sent to no other. `STRONGROOM_NO_KEYCHAIN=1`
skips the keychain, which may open a prompt on a machine where nobody sees it.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from pathlib import Path

from vault.cli.config import xdg_folder
from vault.cli.files import write_private
from vault.errors import SettingsError

_SERVICE = "strongroom"


def load(url: str) -> str:
    """Return the token for the server at `url`, or ""."""
    return _read_file().get(url) or _ask_keychain(url)


def save(url: str, token: str) -> str:
    """Store `token` for the server at `url`. Returns a description of the place."""
    if _keep_in_keychain(url, token):
        _forget_in_file(url)
        return "the keychain"
    _write_file({**_read_file(), url: token})
    return str(_path())


def forget(url: str) -> None:
    """Remove the token for `url` from all places."""
    _forget_in_file(url)
    if _uses_keychain():
        # A missing entry and a missing keychain are the same here: there is nothing to remove.
        with suppress(Exception):
            import keyring

            keyring.delete_password(_SERVICE, url)


def _uses_keychain() -> bool:
    return os.environ.get("STRONGROOM_NO_KEYCHAIN", "") in ("", "0")


def _ask_keychain(url: str) -> str:
    if not _uses_keychain():
        return ""
    # Import here, because it takes longer than the rest of a call. Its backends raise any exception.
    with suppress(Exception):
        import keyring

        return keyring.get_password(_SERVICE, url) or ""
    return ""


def _keep_in_keychain(url: str, token: str) -> bool:
    if not _uses_keychain():
        return False
    with suppress(Exception):
        import keyring

        keyring.set_password(_SERVICE, url, token)
        # Read it back: the null backend accepts everything and stores nothing.
        return keyring.get_password(_SERVICE, url) == token
    return False


def _path() -> Path:
    return xdg_folder(os.environ, "XDG_STATE_HOME", ".local/state") / "tokens.json"


def _read_file() -> dict[str, str]:
    path = _path()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"The token file {path} cannot be opened: {error.strerror}.") from error
    with os.fdopen(descriptor, encoding="utf-8") as file:
        facts = os.fstat(file.fileno())
        if facts.st_uid != os.geteuid() or stat.S_IMODE(facts.st_mode) & 0o077:
            raise SettingsError(
                f"The token file {path} can be read by others. Delete it, log in again, and revoke the old session."
            )
        try:
            data = json.load(file)
        except ValueError as error:
            raise SettingsError(f"The token file {path} is damaged. Delete it and log in again.") from error
    return data if isinstance(data, dict) else {}


def _write_file(tokens: dict[str, str]) -> None:
    path = _path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, json.dumps(tokens, indent=1), replace=True)


def _forget_in_file(url: str) -> None:
    tokens = _read_file()
    if tokens.pop(url, None) is not None:
        _write_file(tokens)
