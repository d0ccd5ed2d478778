"""One vault's identity: its id, its master keys, the system key, and the secrets that this key seals.

    master key (provider) ─wraps→ system key ─seals→ system secrets: mac, token, digest
                          └wraps→ user keys ─wrap→ data keys ─seal→ revisions

`create` makes all of it for an empty database, in one transaction; `Instance.open` proves at start that keyring
and database belong together.
"""

from __future__ import annotations

import secrets
import uuid

from vault.crypto import Context, Key, SealedBlob, as_sealed, context, new_key, open_blob, seal
from vault.errors import BlobError, IntegrityError, KeyringError, MacError, StorageError, VaultLocked
from vault.keys import Keyring, MasterKey
from vault.services.clock import now_us
from vault.storage import Facts, FirstRows, Record, RowSigner, Storage, UnitOfWork, first_rows, holds_vault

KEY_BYTES = 32

SECRET_PURPOSES = ("mac", "token", "digest")
"""What the vault's own keys are for: MACs of rows, digests of tokens, and every other keyed digest."""


class Instance:
    """An opened vault. The poller calls `refresh`; everything else reads."""

    def __init__(self, instance_id: str, keyring: Keyring) -> None:
        self.id = instance_id
        self.keyring = keyring
        self.locked = False
        self._masters: dict[str, MasterKey] = {}
        self._active_master_id = ""
        self._active_version = 0
        self._system_keys: dict[str, Key] = {}
        self._active_system_id = ""
        self._secrets: dict[str, dict[str, Key]] = {}
        self._active_secrets: dict[str, Key] = {}

    @classmethod
    def open(cls, storage: Storage, keyring: Keyring) -> Instance:
        """Open the vault in `storage`, and give `storage` the keys to check its rows with.

        Raises `KeyringError` when the keyring is another vault's, `StorageError` when the database has no vault.
        """
        with storage.read() as unit:
            rows = first_rows(unit.connection)
        if rows is None:
            raise StorageError("The database holds no vault, or a damaged one.")
        instance = cls(rows.state.instance_id, keyring)
        instance._open_system_key(rows)
        storage.signer = instance._open_secrets(rows)
        with storage.read() as unit:
            instance._check_first_rows(unit)
            instance.refresh(unit)
        return instance

    def refresh(self, unit: UnitOfWork) -> None:
        """Read the state that operators change: what is active, and whether the vault is locked."""
        state = unit.state.get()
        if state.active_master_key_id != self._active_master_id:
            self._learn_masters(unit, state.active_master_key_id)
        if state.locked and not self.locked:
            self.keyring.purge()
        self.locked = state.locked

    def require_unlocked(self) -> None:
        """Raise `VaultLocked` while the operator keeps the vault locked."""
        if self.locked:
            raise VaultLocked()

    @property
    def active_master(self) -> MasterKey:
        """The version that wraps new user keys."""
        return self._masters[self._active_master_id]

    @property
    def system_key_id(self) -> str:
        """The system key that seals what belongs to the vault itself."""
        return self._active_system_id

    def secret(self, purpose: str) -> Key:
        """The active secret for `purpose`."""
        return self._active_secrets[purpose]

    def secret_by_id(self, purpose: str, key_id: str) -> Key | None:
        """An active or retired secret, or None for one that is not (any more)."""
        return self._secrets.get(purpose, {}).get(key_id)

    def seal(self, place: Context, plaintext: bytes) -> SealedBlob:
        """Seal under the system key."""
        return seal(self._system_keys[self._active_system_id], place, plaintext)

    def open_blob(self, place: Context, key_id: str, blob: bytes) -> bytes:
        """Open what the system key of id `key_id` has sealed. Raises `BlobError`."""
        key = self._system_keys.get(key_id)
        if key is None:
            raise BlobError()
        return open_blob(key, place, blob)

    def user_key(self, owner_id: str, row: Record | Facts) -> Key:
        """The user key of a checked row, unwrapped or from the cache. Raises `BlobError` for another owner's."""
        master = self._masters.get(row.master_key_id)
        if master is None:
            raise BlobError()
        return self.keyring.user_key(master, owner_id, row.id, as_sealed(row.blob))

    def add_user_key(self, unit: UnitOfWork, owner_id: str) -> None:
        """Make and store a user's first key, fenced against a flip of the active master key."""
        state = unit.state.fence()
        if state.active_master_key_id != self._active_master_id:
            self.refresh(unit)
        master = unit.master_keys.by_id(self._active_master_id)
        if master is None:
            raise IntegrityError()
        key_id = str(uuid.uuid4())
        blob = self.keyring.wrap_user_key(self.active_master, owner_id, key_id, secrets.token_bytes(KEY_BYTES))
        _add_user_key_row(unit, key_id, owner_id, master.id, master.version, blob)

    def _learn_masters(self, unit: UnitOfWork, active_id: str) -> None:
        rows = {row.id: row for row in unit.master_keys.list()}
        active = rows.get(active_id)
        # A state row put back to an older version, with its old MAC, must not lead back to a key that may be lost.
        if active is None or active.version < self._active_version:
            raise MacError()
        self._masters = {row.id: MasterKey(row.id, row.provider, row.ref) for row in rows.values()}
        self._active_master_id, self._active_version = active_id, active.version

    def _open_system_key(self, rows: FirstRows) -> None:
        master, row = rows.master_key, rows.system_key
        where = MasterKey(master.id, master.provider, master.ref)
        try:
            self._system_keys[row.id] = self.keyring.user_key(where, None, row.id, as_sealed(row.blob))
        except BlobError as error:
            raise KeyringError(
                "The keyring does not open this database: it belongs to another vault. Point STRONGROOM_KEYRING at "
                "this vault's keyring, or STRONGROOM_DATABASE_URL at the other database."
            ) from error
        self._active_system_id = row.id

    def _open_secrets(self, rows: FirstRows) -> RowSigner:
        for row in rows.secrets:
            place = context.system_secret(self.id, row.purpose, row.id)
            key = Key(row.id, self.open_blob(place, row.user_key_id, row.blob))
            self._secrets.setdefault(row.purpose, {})[row.id] = key
            if row.state == "active":
                self._active_secrets[row.purpose] = key
        if not set(SECRET_PURPOSES) <= set(self._active_secrets):
            raise StorageError("The vault's own secrets are not all there: the database is damaged.")
        return RowSigner(self.secret("mac"), self._secrets["mac"].values())

    def _check_first_rows(self, unit: UnitOfWork) -> None:
        """Now that there is a key to check them with: what was read on trust must be this vault's own."""
        unit.state.get()
        unit.system_secrets.list()
        if unit.user_keys.by_id(self._active_system_id) is None:
            raise IntegrityError()


def create(storage: Storage, keyring: Keyring, instance_id: str, provider: str, ref: str) -> None:
    """Make a new vault in an empty, migrated database, in one transaction.

    `ref` is a version that the provider has made for it already. Raises `StorageError` when there is a vault.
    """
    now = now_us()
    master = MasterKey(str(uuid.uuid4()), provider, ref)
    system_id = str(uuid.uuid4())
    wrapped = keyring.wrap_user_key(master, None, system_id, secrets.token_bytes(KEY_BYTES))
    system_key = keyring.user_key(master, None, system_id, wrapped)
    own = {purpose: new_key() for purpose in SECRET_PURPOSES}
    with storage.write() as unit:
        if holds_vault(unit.connection):
            raise StorageError("The database holds a vault already.")
        unit.use_signer(RowSigner(own["mac"]))
        unit.master_keys.add(
            id=master.id, version=1, provider=provider, ref=ref, state="active", created_us=now, changed_us=now
        )
        _add_user_key_row(unit, system_id, None, master.id, 1, wrapped)
        for purpose, key in own.items():
            blob = seal(system_key, context.system_secret(instance_id, purpose, key.id), key.secret)
            row = {"id": key.id, "purpose": purpose, "state": "active", "created_us": now}
            unit.system_secrets.add(**row, user_key_id=system_id, blob=blob)
        active = {"active_master_key_id": master.id, "active_system_key_id": system_id}
        unit.state.add(id=1, instance_id=instance_id, created_us=now, **active)


def _add_user_key_row(
    unit: UnitOfWork, key_id: str, owner_id: str | None, master_id: str, master_version: int, blob: SealedBlob
) -> None:
    unit.user_keys.add(
        id=key_id,
        owner_id=owner_id,
        master_key_id=master_id,
        master_version=master_version,
        state="active",
        blob=blob,
        generation=1,
        created_us=now_us(),
    )
