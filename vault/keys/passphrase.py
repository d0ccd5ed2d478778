"""The `passphrase` provider: the keyring file, sealed with a passphrase that is kept elsewhere.

    {"format": 1, "instance": "<the vault's id>",
     "argon2id": {"memory_kib": 262144, "passes": 3, "lanes": 4, "salt": "<base64>"},
     "sealed": "<base64 of Cobblestone-256 over the versions>"}

A thief of the file and the database still has to guess the passphrase. Each guess takes 256 MiB and about a second.
The passphrase is read once, when the provider is opened. Only the derived key is kept.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import unicodedata
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from vault.crypto.envelope import uuid_bytes
from vault.crypto.key import KEY_BYTES
from vault.crypto.password import SALT_BYTES, PasswordParameters, check_new_password
from vault.crypto.seal import decrypt, encrypt
from vault.errors import BlobError, InvalidInput, KeyProviderUnavailable, KeyringError
from vault.keys import safefile
from vault.keys.file import (
    KeyringFile,
    Versions,
    check_instance,
    damaged,
    from_rows,
    to_rows,
    unknown_format,
    write_new,
)
from vault.settings import Settings

FORMAT = 1
COST = PasswordParameters(memory_kib=256 * 1024, passes=3, lanes=4)
"""Each worker pays this once, at start. It uses four times a login's memory, because guesses against a stolen file are
not limited by a server.
"""

MAXIMUM_PASSPHRASE_BYTES = 1024


@dataclass(frozen=True, slots=True)
class _Lock:
    """The parameters that turn a passphrase into the file's key. They are not secret."""

    parameters: PasswordParameters
    salt: bytes

    def key(self, passphrase: str) -> bytes:
        from argon2 import exceptions, low_level

        cost = self.parameters
        try:
            return low_level.hash_secret_raw(
                _normalised(passphrase),
                self.salt,
                time_cost=cost.passes,
                memory_cost=cost.memory_kib,
                parallelism=cost.lanes,
                hash_len=KEY_BYTES,
                type=low_level.Type.ID,
            )
        except exceptions.HashingError as error:
            raise KeyProviderUnavailable(
                f"There is not enough free memory to check the passphrase ({cost.memory_kib // 1024} MiB)."
            ) from error


class PassphraseProvider(KeyringFile):
    """Master keys in one file under a passphrase."""

    name = "passphrase"

    def __init__(self, path: Path | str, instance_id: str, passphrase: str, *, key: bytes | None = None) -> None:
        """Open the keyring of the vault `instance_id`. Raises `KeyringError`, which says what is wrong and what to do.

        `create` passes `key`, so that Argon2id does not run again.
        """
        path = Path(path)
        self._lock = _parse(safefile.read(path), path, instance_id)[0]
        self._key = key or self._lock.key(passphrase)
        super().__init__(path, instance_id)

    @classmethod
    def create(
        cls, path: Path | str, instance_id: str, passphrase: str, cost: PasswordParameters | None = None
    ) -> Self:
        """Create the keyring without a version. Raises `KeyringError`, also if the passphrase is too weak."""
        path = Path(path)
        try:
            check_new_password(passphrase, "")
        except InvalidInput as error:
            raise KeyringError(f"This passphrase is too weak. {error.message}") from error
        lock = _Lock(cost or COST, secrets.token_bytes(SALT_BYTES))
        key = lock.key(passphrase)
        write_new(path, _dump(instance_id, lock, key, {}))
        return cls(path, instance_id, passphrase, key=key)

    @classmethod
    def place(cls, settings: Settings) -> Path:
        """Return a path beside the `file` provider's keyring, under another name, so that a vault can move from one to
        the other.
        """
        return settings.keyring.with_name(f"{settings.keyring.stem}.passphrase{settings.keyring.suffix}")

    @classmethod
    def from_settings(cls, settings: Settings, instance_id: str) -> Self:
        """Open the keyring with the passphrase of the settings. Raises `KeyringError`."""
        return cls(cls.place(settings), instance_id, _given(settings))

    @classmethod
    def create_from_settings(cls, settings: Settings, instance_id: str) -> Self:
        """Create the keyring of a new vault under the passphrase of the settings."""
        return cls.create(cls.place(settings), instance_id, _given(settings))

    @classmethod
    def require_set_up(cls, settings: Settings) -> None:
        """Raise `KeyringError` if no passphrase is given."""
        _given(settings)

    def _encode(self, versions: Versions) -> bytes:
        return _dump(self.instance_id, self._lock, self._key, versions)

    def _decode(self, content: bytes) -> Versions:
        lock, sealed = _parse(content, self.path, self.instance_id)
        if lock != self._lock:
            raise KeyringError(
                f"The keyring {self.path} was sealed again after Strongroom opened it. Restart Strongroom."
            )
        try:
            rows = json.loads(decrypt(self._key, _place(self.instance_id), sealed))
        except BlobError:
            raise KeyringError(
                f"The passphrase does not open the keyring {self.path}. Check STRONGROOM_PASSPHRASE_FILE, or the "
                "credential named passphrase. If the passphrase is right, the file is damaged: restore its backup."
            ) from None
        return from_rows(rows, self.path)


def _given(settings: Settings) -> str:
    if not settings.passphrase:
        raise KeyringError(
            "The keyring's passphrase is not given. Put it into a file and name that file in "
            "STRONGROOM_PASSPHRASE_FILE, or provide systemd's credential named passphrase."
        )
    return settings.passphrase


def _normalised(passphrase: str) -> bytes:
    """Return the passphrase in NFC as UTF-8, so that the same typing gives the same bytes on every system. Raises
    `KeyringError`.
    """
    # Normalising takes time that grows with the square of the length, so check the raw length first.
    if len(passphrase) > 4 * MAXIMUM_PASSPHRASE_BYTES:
        raise KeyringError(f"A passphrase has between 1 and {MAXIMUM_PASSPHRASE_BYTES} bytes.")
    try:
        raw = unicodedata.normalize("NFC", passphrase).encode()
    except UnicodeEncodeError:
        raise KeyringError("The passphrase contains half of a surrogate pair, which is not valid text.") from None
    if not 0 < len(raw) <= MAXIMUM_PASSPHRASE_BYTES:
        raise KeyringError(f"A passphrase has between 1 and {MAXIMUM_PASSPHRASE_BYTES} bytes.")
    return raw


def _place(instance_id: str) -> bytes:
    return b"SRM1 passphrase keyring" + uuid_bytes(instance_id)


def _dump(instance_id: str, lock: _Lock, key: bytes, versions: Versions) -> bytes:
    sealed = encrypt(key, _place(instance_id), json.dumps(to_rows(versions)).encode())
    document = {
        "format": FORMAT,
        "instance": instance_id,
        "argon2id": {**asdict(lock.parameters), "salt": base64.b64encode(lock.salt).decode("ascii")},
        "sealed": base64.b64encode(sealed).decode("ascii"),
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def _parse(content: bytes, path: Path, instance_id: str) -> tuple[_Lock, bytes]:
    """Return the lock and the sealed versions. Raises `KeyringError` before any memory is used for excessive
    parameters.
    """
    try:
        document = json.loads(content)
        format_, instance, given = document["format"], document["instance"], dict(document["argon2id"])
        salt = base64.b64decode(given.pop("salt"), validate=True)
        sealed = base64.b64decode(document["sealed"], validate=True)
        parameters = PasswordParameters(**given)
        usable = all(type(number) is int for number in given.values()) and parameters.in_range()
    except (KeyError, TypeError, ValueError, binascii.Error, RecursionError):
        raise damaged(path) from None
    if format_ != FORMAT:
        raise unknown_format(path, format_)
    if not usable or len(salt) != SALT_BYTES:
        raise KeyringError(
            f"The keyring {path} has Argon2id parameters that this release does not accept. Restore it from its backup."
        )
    check_instance(path, instance, instance_id)
    return _Lock(parameters, salt), sealed
