"""Stores the token of a login between calls: in the operating system's keychain, or in a file of mode 0600.

Tokens are stored by the address of the server that gave them, in one spelling, and are sent to no other.
`STRONGROOM_NO_KEYCHAIN=1` skips the keychain, which may open a prompt on a machine where nobody sees it.

Releases up to 0.2.0 stored the address as it was typed. A keychain cannot list what it has, so the usual spellings are
tried.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress

from vault.cli.state import read_state, state_path, write_state
from vault.client.address import Address
from vault.errors import SettingsError

_SERVICE = "strongroom"
_FILE = "tokens.json"

_KEYS_FILE = "offline-keys.json"
_KEY = "offline key of "
"""The keychain has a token under the address itself, and the key of the values kept for it behind these words."""


def load(url: str) -> str:
    """Return the token for the server at `url`, in any spelling of the address, or ""."""
    wanted, stored = _canonical(url), _read_file()
    found = [token for known, token in stored.items() if _canonical(known) == wanted]
    return stored.get(url) or next(filter(None, [*found, *map(_ask_keychain, _spellings(url))]), "")


def has_any_of(url: str) -> bool:
    """Report whether a token is stored for this server (host and port), whatever the path in the address was.

    In a keychain, only tokens of the paths above the one in `url` are found.
    """
    origin = _origin(url)
    if any(_origin(known) == origin for known in _read_file()):
        return True
    return any(map(_ask_keychain, dict.fromkeys(each for part in _above(url) for each in _spellings(part))))


def save(url: str, token: str) -> str:
    """Store `token` for the server at `url`. Returns a description of the place."""
    name = _canonical(url)
    if _keep_in_keychain(name, token):
        _forget_in_file(name)
        _forget_in_keychain(each for each in _spellings(url) if each != name)
        return "the keychain"
    write_state(_FILE, {**_without(name), name: token})
    return str(state_path(_FILE))


def forget(url: str) -> None:
    """Remove the token for `url`, in any spelling, from all places."""
    _forget_in_file(_canonical(url))
    _forget_in_keychain(_spellings(url))


def load_key(url: str) -> str:
    """Return the key of the values that are kept for the server at `url`, or ""."""
    name = _canonical(url)
    return _ask_keychain(_KEY + name) or _read_keys().get(name, "")


def save_key(url: str, key: str) -> None:
    """Store the key of the values that are kept for the server at `url`."""
    name = _canonical(url)
    if not _keep_in_keychain(_KEY + name, key):
        write_state(_KEYS_FILE, {**_read_keys(), name: key})


def forget_key(url: str) -> None:
    """Remove that key from all places. Nobody can open the kept values afterwards."""
    name = _canonical(url)
    _forget_in_keychain([_KEY + name])
    known = _read_keys()
    if name in known:
        write_state(_KEYS_FILE, {each: key for each, key in known.items() if each != name})


def _read_keys() -> Mapping[str, str]:
    return read_state(_KEYS_FILE, "key file", "Delete it. Values that were kept for --offline-for are then lost.")


def _without(name: str) -> dict[str, str]:
    """Return the tokens in the file, without those of the address `name`."""
    return {known: token for known, token in _read_file().items() if _canonical(known) != name}


def _forget_in_file(name: str) -> None:
    kept = _without(name)
    if kept != _read_file():
        write_state(_FILE, kept)


def _forget_in_keychain(spellings: Iterable[str]) -> None:
    if not _uses_keychain():
        return
    for each in spellings:
        # A missing entry and a missing keychain are the same here: there is nothing to remove.
        with suppress(Exception):
            import keyring

            keyring.delete_password(_SERVICE, each)


def _parsed(url: str) -> Address | None:
    try:
        return Address.parse(url, plain_http=True)
    except SettingsError:
        # Somebody has edited a file of ours. This is no address of a server.
        return None


def _canonical(url: str) -> str:
    found = _parsed(url)
    return url if found is None else found.canonical


def _origin(url: str) -> str:
    found = _parsed(url)
    return url if found is None else found.origin


def _spellings(url: str) -> list[str]:
    """Return the address in one spelling, as it was given, and in others that people may have typed."""
    found = _parsed(url)
    if found is None:
        return [url]
    scheme, _, rest = found.origin.partition("://")
    host, _, port = rest.rpartition(":")
    ports = (f":{port}", "") if port == "443" else (f":{port}",)
    others = [f"{scheme}://{host}{dot}{end}{found.prefix}" for dot in ("", ".") for end in ports]
    return list(dict.fromkeys((found.canonical, url, *others)))


def _above(url: str) -> list[str]:
    """Return the address, and those with shorter paths."""
    found = _parsed(url)
    if found is None:
        return [url]
    parts = found.prefix.split("/")
    return [url, *(found.origin + "/".join(parts[:count]) for count in range(len(parts), 0, -1))]


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
