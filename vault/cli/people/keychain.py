"""Stores the token of a login between calls: in the operating system's keychain, or in a file of mode 0600.

Tokens are stored by the address of the server that gave them, and are sent to no other. `STRONGROOM_NO_KEYCHAIN=1`
skips the keychain, which may open a prompt on a machine where nobody sees it.
"""

from __future__ import annotations

import os
from contextlib import suppress

from vault.cli.state import read_state, state_path, write_state

_SERVICE = "strongroom"
_FILE = "tokens.json"


def load(url: str) -> str:
    """Return the token for the server at `url`, or ""."""
    return _read_file().get(url) or _ask_keychain(url)


def addresses_in_file() -> list[str]:
    """Return the addresses whose tokens are in the file. A keychain cannot tell which it has."""
    return list(_read_file())


def save(url: str, token: str) -> str:
    """Store `token` for the server at `url`. Returns a description of the place."""
    if _keep_in_keychain(url, token):
        _forget_in_file(url)
        return "the keychain"
    write_state(_FILE, {**_read_file(), url: token})
    return str(state_path(_FILE))


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


def _read_file() -> dict[str, str]:
    return read_state(_FILE, "token file", "Delete it, log in again, and revoke the old session.")


def _forget_in_file(url: str) -> None:
    tokens = _read_file()
    if tokens.pop(url, None) is not None:
        write_state(_FILE, tokens)
