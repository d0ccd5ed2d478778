"""`OwnKeys`: all keys of the vault's own in one process. They are loaded and replaced as a whole.

    master key versions ─unwrap→ system keys ─open→ system secrets: mac, token, digest, …

If anything changes, a process loads a new `OwnKeys`. If the vault is locked, it drops them.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from vault.crypto import Key, SealedBlob, context, key_check_value, open_blob
from vault.errors import BlobError, KeyProviderUnavailable, KeyringError, MacError, NewerRowFormat, StorageError
from vault.keys import Keyring, MasterKey
from vault.storage import FirstRows, MasterKeyVersion, RowSigner, StateRow
from vault.storage.signing.authority import SIGNED_TABLES
from vault.storage.signing.row_formats import check_adopted, numbers_of, unknown_to

SECRET_PURPOSES = ("mac", "token", "digest", "checkpoint")
"""The purposes of the vault's own keys: MACs of rows, digests of tokens, all other keyed digests, and the signature of
the audit's checkpoints.
"""

CANARY_BYTES = 32


@dataclass(frozen=True, slots=True)
class OwnKeys:
    """The vault's own keys at one version of the state row."""

    state: StateRow
    masters: Mapping[str, MasterKeyVersion]
    system_keys: Mapping[str, Key] = field(repr=False)
    secrets: Mapping[str, Mapping[str, Key]] = field(repr=False)
    active_secrets: Mapping[str, Key] = field(repr=False)
    signer: RowSigner = field(repr=False)

    @property
    def active_master(self) -> MasterKeyVersion:
        """The version that wraps new user keys."""
        return self.masters[self.state.active_master_key_id]

    @property
    def master_keys(self) -> dict[str, MasterKey]:
        """The versions in the form that the keyring needs, by id."""
        return {row.id: master_key(row) for row in self.masters.values()}

    @property
    def system_key(self) -> Key:
        """The key that seals what belongs to the vault itself."""
        return self.system_keys[self.state.active_system_key_id]


def master_key(row: MasterKeyVersion) -> MasterKey:
    """Return a version in the form that the keyring needs."""
    return MasterKey(row.id, row.provider, row.ref)


def open_own_keys(rows: FirstRows, keyring: Keyring, before: OwnKeys | None) -> OwnKeys:
    """Open everything that `before` has not opened yet, and check every row with the opened keys.

    Raises `KeyringError` if the keyring belongs to another vault, `MacError` for rows that this vault did not write,
    `StorageError` if the catalogue of row formats differs from the one that this process adopted, `NewerRowFormat` if
    this process cannot check all rows, and what the provider raises.
    """
    masters = {row.id: row for row in rows.masters}
    active = masters.get(rows.state.active_master_key_id)
    # If an older state row was put back, with its valid MAC, it must not bring back a master key that may have leaked.
    if active is None or (before is not None and active.version < before.active_master.version):
        raise MacError()
    system_keys = _open_system_keys(rows, keyring, masters, before)
    own, active_secrets = _open_secrets(rows, system_keys, before)
    signer = RowSigner(active_secrets["mac"], own["mac"].values(), numbers_of(rows.formats))
    # Check the catalogue first. It shows whether an unknown row is a newer release's or a forgery.
    rows.check_catalogue(signer)
    if unknown_to(SIGNED_TABLES, rows.formats):
        raise NewerRowFormat()
    check_adopted(SIGNED_TABLES, rows.formats)
    rows.check(signer)
    if before is not None and before.signer.is_like(signer):
        # The same keys and formats: keep the old signer, and with it the rows that it has checked.
        signer = before.signer
    return OwnKeys(rows.state, masters, system_keys, own, active_secrets, signer)


class UserKeyColumns(TypedDict):
    """The columns of a new user key: what identifies it, and its wrapped bytes."""

    id: str
    owner_id: str | None
    master_key_id: str
    master_version: int
    blob: SealedBlob
    check_value: bytes


def new_user_key_columns(
    keyring: Keyring, master: MasterKey, version: int, owner_id: str | None, key_id: str
) -> UserKeyColumns:
    """Return the columns of a new user key (for None a system key) under a version of the master key."""
    unwrapped = keyring.new_unwrapped_user_key()
    return {
        "id": key_id,
        "owner_id": owner_id,
        "master_key_id": master.id,
        "master_version": version,
        "blob": keyring.wrap_user_key(master, owner_id, key_id, unwrapped),
        "check_value": key_check_value(keyring.derived_user_key(owner_id, key_id, unwrapped)),
    }


def make_canary(keyring: Keyring, master: MasterKey) -> dict[str, bytes]:
    """Return the columns with a new version's canary. Each worker unwraps the canary to verify that it can use the
    version.
    """
    canary = secrets.token_bytes(CANARY_BYTES)
    blob = keyring.wrap_user_key(master, None, master.id, canary)
    return {"canary": bytes(blob), "canary_digest": hashlib.sha256(canary).digest()}


def check_canary(keyring: Keyring, row: MasterKeyVersion) -> None:
    """Check that this process can unwrap with a version. Raises `BlobError`, and what the provider raises."""
    canary = keyring.unwrapped_user_key(master_key(row), None, row.id, row.canary)
    if not secrets.compare_digest(hashlib.sha256(canary).digest(), bytes(row.canary_digest)):
        raise KeyProviderUnavailable("The master key's provider returned a wrong key.")


def _open_system_keys(
    rows: FirstRows, keyring: Keyring, masters: Mapping[str, MasterKeyVersion], before: OwnKeys | None
) -> dict[str, Key]:
    known = before.system_keys if before is not None else {}
    opened: dict[str, Key] = {}
    for row in rows.system_keys:
        master = masters.get(row.master_key_id)
        if master is None:
            raise MacError()
        try:
            opened[row.id] = known.get(row.id) or keyring.user_key(
                master_key(master), None, row.id, row.blob, row.check_value
            )
        except BlobError as error:
            raise KeyringError(
                "The keyring cannot open this database, because it belongs to another vault. Point STRONGROOM_KEYRING "
                "at this vault's keyring, or STRONGROOM_DATABASE_URL at the other database."
            ) from error
    if rows.state.active_system_key_id not in opened:
        raise StorageError("The vault's system key is missing. The database is damaged.")
    return opened


def _open_secrets(
    rows: FirstRows, system_keys: Mapping[str, Key], before: OwnKeys | None
) -> tuple[dict[str, dict[str, Key]], dict[str, Key]]:
    own: dict[str, dict[str, Key]] = {}
    active: dict[str, Key] = {}
    for row in rows.secrets:
        key = before.secrets.get(row.purpose, {}).get(row.id) if before is not None else None
        if key is None:
            system_key = system_keys.get(row.user_key_id)
            if system_key is None:
                raise BlobError()
            place = context.system_secret(rows.state.instance_id, row.purpose, row.id)
            key = Key(row.id, open_blob(system_key, place, row.blob))
        own.setdefault(row.purpose, {})[row.id] = key
        if row.state == "active":
            active[row.purpose] = key
    if not set(SECRET_PURPOSES) <= set(active):
        raise StorageError("Some of the vault's own secrets are missing. The database is damaged.")
    return own, active
