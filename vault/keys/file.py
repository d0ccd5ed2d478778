"""The `file` provider: master keys in a keyring file on this machine.

    {"format": 1, "instance": "<the vault's id>",
     "versions": [{"ref": "<uuid>", "state": "enabled|disabled|destroyed", "created": "<time>", "key": "<base64>"}]}

Anyone who has this file and the database can read everything. It is created only for a new vault, is bound to that
vault's instance id, and is refused if another user could have read or redirected it (`safefile.py`).
A destroyed version keeps its line without the key, so that `destroy` may be repeated. `KeyringFile` is shared with
`passphrase.py`, which differs only in how the file is encoded.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Self

from vault.crypto.envelope import uuid_bytes
from vault.crypto.key import KEY_BYTES
from vault.crypto.seal import decrypt, encrypt
from vault.errors import BlobError, KeyProviderError, KeyringError
from vault.keys import safefile
from vault.keys.provider import ENABLE_IT, Capabilities
from vault.model.clock import as_datetime, now_us  # noqa: TID251 - only people read the dates in a keyring.
from vault.model.json_types import Json
from vault.settings import Settings

FORMAT = 1


class State(StrEnum):
    """The state of one version."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True)
class Version:
    """One version in the keyring."""

    ref: str
    state: State
    created: str
    key: bytes = field(repr=False)


Versions = dict[str, Version]


class KeyringFile(ABC):
    """Master keys in one file. Every call sees the changes that other processes have written."""

    name: ClassVar[str]

    def __init__(self, path: Path, instance_id: str) -> None:
        self.path = path
        self.instance_id = instance_id
        self._seen: tuple[tuple[int, int, int, int], Versions] | None = None
        self.probe()

    @abstractmethod
    def _encode(self, versions: Versions) -> bytes:
        """Return the content of the file."""

    @abstractmethod
    def _decode(self, content: bytes) -> Versions:
        """Undo `_encode`. Raises `KeyringError` if the file is damaged or belongs to another vault."""

    @classmethod
    @abstractmethod
    def place(cls, settings: Settings) -> Path:
        """Return where the keyring lies on this machine."""

    @classmethod
    @abstractmethod
    def from_settings(cls, settings: Settings, instance_id: str) -> Self:
        """Open the keyring. Raises `KeyringError`."""

    @classmethod
    @abstractmethod
    def create_from_settings(cls, settings: Settings, instance_id: str) -> Self:
        """Create the keyring of a new vault. Raises `KeyringError` if there is a file: it is never replaced."""

    @classmethod
    @abstractmethod
    def require_set_up(cls, settings: Settings) -> None:
        """Raise `KeyringError` if a setting is missing that `create_from_settings` needs. Creates no file."""

    def create_version(self) -> str:
        """Create a random key of 256 bits. Its ref is a new UUID."""
        ref = str(uuid.uuid4())
        created = as_datetime(now_us()).isoformat(timespec="seconds")
        with self._changing() as versions:
            versions[ref] = Version(ref, State.ENABLED, created, secrets.token_bytes(KEY_BYTES))
        return ref

    def wrap(self, ref: str, key: bytes, context: bytes) -> bytes:
        """Encrypt with Cobblestone-256 under the version's key, bound to the context."""
        return encrypt(self._usable(ref).key, context, key)

    def unwrap(self, ref: str, wrapped: bytes, context: bytes) -> bytes:
        """Undo `wrap`. Raises `BlobError` for another version, another context or changed bytes."""
        return decrypt(self._usable(ref).key, context, wrapped)

    def disable(self, ref: str) -> None:
        """Refuse to use this version until it is enabled."""
        self._set_state(ref, State.DISABLED)

    def enable(self, ref: str) -> None:
        """Undo `disable`."""
        self._set_state(ref, State.ENABLED)

    def destroy(self, ref: str) -> None:
        """Remove the key from the file. Copies of the file, and old blocks of the disk, may still have it."""
        with self._changing() as versions:
            if ref in versions:
                versions[ref] = replace(versions[ref], state=State.DESTROYED, key=b"")

    def probe(self) -> None:
        """Read the keyring if it has changed. Raises `KeyringError`."""
        self._versions()

    def capabilities(self) -> Capabilities:
        """The file binds contexts, and needs no network."""
        return Capabilities(context=True, local=True)

    def _usable(self, ref: str) -> Version:
        version = _known(self._versions(), ref, self.path)
        if version.state is not State.ENABLED:
            advice = f" {ENABLE_IT}" if version.state is State.DISABLED else ""
            raise KeyProviderError(f"The master key version {ref} is {version.state}.{advice}")
        return version

    def _set_state(self, ref: str, state: State) -> None:
        with self._changing() as versions:
            version = _known(versions, ref, self.path)
            if version.state is State.DESTROYED:
                raise KeyProviderError(f"The master key version {ref} is destroyed and cannot be restored.")
            versions[ref] = replace(version, state=state)

    def _versions(self) -> Versions:
        """Return the versions, read again if the file's inode, times or size have changed."""
        seen = self._seen
        try:
            now = safefile.fingerprint(self.path)
        except OSError:
            # `read` will find the same error and report it.
            now = (0, 0, 0, 0)
        if seen is not None and seen[0] == now:
            return seen[1]
        # Take the fingerprint before reading, so that the next call notices a change made in between.
        versions = self._decode(safefile.read(self.path))
        self._seen = (now, versions)
        return versions

    @contextmanager
    def _changing(self) -> Iterator[Versions]:
        """Yield the versions under the lock, and write what the caller has changed."""
        try:
            with safefile.locked(self.path):
                versions = self._decode(safefile.read(self.path))
                before = dict(versions)
                yield versions
                if versions != before:
                    safefile.replace(self.path, self._encode(versions))
        except OSError as error:
            raise KeyringError(f"The keyring {self.path} cannot be written: {error.strerror}.") from error


class FileProvider(KeyringFile):
    """Master keys in one file, not encrypted."""

    name = "file"

    def __init__(self, path: Path | str, instance_id: str) -> None:
        """Open the keyring of the vault `instance_id`. Raises `KeyringError`, which says what to do."""
        super().__init__(Path(path), instance_id)

    @classmethod
    def create(cls, path: Path | str, instance_id: str) -> Self:
        """Create the keyring of a new vault, without a version. Raises `KeyringError` if the file exists."""
        path = Path(path)
        write_new(path, _dump(instance_id, {}))
        return cls(path, instance_id)

    @classmethod
    def place(cls, settings: Settings) -> Path:
        """Return where the keyring lies on this machine."""
        return settings.keyring

    @classmethod
    def from_settings(cls, settings: Settings, instance_id: str) -> Self:
        """Open the keyring. Raises `KeyringError`."""
        return cls(cls.place(settings), instance_id)

    @classmethod
    def create_from_settings(cls, settings: Settings, instance_id: str) -> Self:
        """Create the keyring of a new vault."""
        return cls.create(cls.place(settings), instance_id)

    @classmethod
    def require_set_up(cls, settings: Settings) -> None:
        """Do nothing: this provider needs only a path, and the settings always have one."""

    def _encode(self, versions: Versions) -> bytes:
        return _dump(self.instance_id, versions)

    def _decode(self, content: bytes) -> Versions:
        instance, rows = _header(content, self.path)
        check_instance(self.path, instance, self.instance_id)
        return from_rows(rows, self.path)


def write_new(path: Path, content: bytes) -> None:
    """Create a keyring's directory and file. Raises `KeyringError` if the file exists, even if it is empty."""
    safefile.make_directory(path.parent)
    try:
        safefile.write_new(path, content)
    except FileExistsError as error:
        raise KeyringError(
            f"The keyring {path} already exists, and Strongroom never replaces a keyring. If this is a new vault, move "
            "that file away or set STRONGROOM_KEYRING to another path. If not, the vault's database is missing."
        ) from error
    except OSError as error:
        raise KeyringError(f"The keyring {path} cannot be created: {error.strerror}.") from error


def check_instance(path: Path, instance: str, instance_id: str) -> None:
    """Raise `KeyringError` if a keyring belongs to another vault."""
    if instance != instance_id:
        raise KeyringError(
            f"The keyring {path} belongs to another vault ({instance}; this one is {instance_id}). "
            "Set STRONGROOM_KEYRING to this vault's own keyring, or restore that file from its backup."
        )


def to_rows(versions: Versions) -> list[dict[str, str]]:
    """Return the versions as JSON values."""
    return [
        {
            "ref": version.ref,
            "state": version.state.value,
            "created": version.created,
            "key": base64.b64encode(version.key).decode("ascii"),
        }
        for version in versions.values()
    ]


def from_rows(rows: Iterable[Json], path: Path) -> Versions:
    """Undo `to_rows`. Raises `KeyringError`."""
    try:
        versions = [_version(row) for row in rows]
    except (KeyError, TypeError, ValueError, binascii.Error, BlobError):
        raise damaged(path) from None
    return {version.ref: version for version in versions}


def damaged(path: Path) -> KeyringError:
    """Return the error for a file that Strongroom has not written in this form."""
    return KeyringError(
        f"The keyring {path} is damaged: Strongroom did not write this content. Restore it from its backup."
    )


def unknown_format(path: Path, number: object) -> KeyringError:
    """Return the error for a keyring in a format that this release does not know."""
    return KeyringError(
        f"The keyring {path} has the format {number!r}, which this release does not know. Run "
        "the release that wrote it."
    )


def _known(versions: Versions, ref: str, path: Path) -> Version:
    if ref not in versions:
        raise KeyProviderError(f"The keyring {path} does not have the master key version {ref}. Is it an old copy?")
    return versions[ref]


def _dump(instance_id: str, versions: Versions) -> bytes:
    document = {"format": FORMAT, "instance": instance_id, "versions": to_rows(versions)}
    return json.dumps(document, indent=1).encode() + b"\n"


def _header(content: bytes, path: Path) -> tuple[str, list[Json]]:
    # `from None` everywhere: the text that could not be parsed may be key material, which must not be in a traceback.
    try:
        document = json.loads(content)
        format_, instance, rows = document["format"], document["instance"], document["versions"]
    except (KeyError, TypeError, ValueError, RecursionError):
        raise damaged(path) from None
    if format_ != FORMAT:
        raise unknown_format(path, format_)
    if not isinstance(instance, str) or not isinstance(rows, list):
        raise damaged(path)
    return instance, rows


def _version(row: Json) -> Version:
    if not isinstance(row, Mapping):
        raise TypeError("A version must be an object.")
    ref, state = _text(row["ref"]), State(_text(row["state"]))
    uuid_bytes(ref)
    key = base64.b64decode(_text(row["key"]), validate=True)
    if len(key) != (0 if state is State.DESTROYED else KEY_BYTES):
        raise ValueError("A version must have a key of 256 bits.")
    return Version(ref, state, _text(row["created"]), key)


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError("A member of a version must be a string.")
    return value
