"""The backup key: 256 bits in a file of its own, which seal and open archives. It opens nothing else.

    strongroom-backup-key-1:<uuid>:<base64>

It is kept as safe as a keyring (`safefile.py`): whoever holds it reads what the database holds in the clear.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from vault.crypto.key import Key, new_key
from vault.errors import BlobError, KeyringError
from vault.keys import safefile

_PREFIX = "strongroom-backup-key-1"

KIND = safefile.Kind("backup key", "STRONGROOM_BACKUP_KEY", "the backup key", "no archive under it can be opened")


def path_beside(keyring: Path) -> Path:
    """Where the backup key lies when no setting says otherwise."""
    return keyring.parent / "backup.key"


def make(path: Path) -> Key:
    """Make a new key's file, mode 0600. Raises `KeyringError`, also where there is a file: it is never replaced."""
    key = new_key()
    text = f"{_PREFIX}:{key.id}:{base64.b64encode(key.secret).decode()}\n"
    safefile.make_directory(path.parent, KIND)
    try:
        safefile.write_new(path, text.encode(), KIND)
    except FileExistsError as error:
        raise KeyringError(
            f"There is a file at {path} already, and a backup key is never replaced: the archives that it has sealed "
            "need it. Name another place in STRONGROOM_BACKUP_KEY."
        ) from error
    except OSError as error:
        raise KeyringError(f"The backup key {path} cannot be made: {error.strerror}.") from error
    return key


def read(path: Path) -> Key:
    """The key in a file. Raises `KeyringError` where it is missing, unsafe or no backup key."""
    try:
        prefix, key_id, secret = safefile.read(path, KIND).decode().strip().split(":")
        if prefix == _PREFIX:
            return Key(key_id, base64.b64decode(secret, validate=True))
    except (ValueError, binascii.Error, BlobError):
        # From None: what could not be parsed is key material, and belongs in no traceback.
        pass
    raise KeyringError(f"The file {path} is no backup key of Strongroom; `strongroom backup key` makes one.") from None
