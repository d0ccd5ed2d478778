"""The backup key: 256 bits in a separate file. It seals and opens archives and nothing else.

    strongroom-backup-key-1:<uuid>:<base64>

Its file is protected like a keyring (`safefile.py`): with it, one can read what the database stores unencrypted.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from vault.crypto.key import Key, new_key
from vault.errors import BlobError, KeyringError
from vault.keys import safefile

_PREFIX = "strongroom-backup-key-1"

KIND = safefile.FileKind("backup key", "STRONGROOM_BACKUP_KEY", "the backup key", "no archive under it can be opened")


def path_beside(keyring: Path) -> Path:
    """Return the path of the backup key if no setting names another."""
    return keyring.parent / "backup.key"


def make(path: Path) -> Key:
    """Write a new key to a file with mode 0600. Raises `KeyringError` if it cannot, or if the file exists."""
    key = new_key()
    text = f"{_PREFIX}:{key.id}:{base64.b64encode(key.secret).decode()}\n"
    safefile.make_directory(path.parent, KIND)
    try:
        safefile.write_new(path, text.encode(), KIND)
    except FileExistsError as error:
        raise KeyringError(
            f"The file {path} already exists. Strongroom never replaces a backup key, because its archives "
            "need it. Set STRONGROOM_BACKUP_KEY to another path."
        ) from error
    except OSError as error:
        raise KeyringError(f"The backup key {path} cannot be created: {error.strerror}.") from error
    return key


def read(path: Path) -> Key:
    """Return the key in a file. Raises `KeyringError` if the file is missing, unsafe or not a backup key."""
    try:
        prefix, key_id, secret = safefile.read(path, KIND).decode().strip().split(":")
        if prefix == _PREFIX:
            return Key(key_id, base64.b64decode(secret, validate=True))
    except (ValueError, binascii.Error, BlobError):
        # No `from`: the text that could not be parsed may be key material, which must not be in a traceback.
        pass
    raise KeyringError(f"The file {path} is not a backup key. `strongroom backup key` creates one.") from None
