"""One vault in one process: its id, and its own keys while it is unlocked.

    master key (provider) ─wraps→ system key ─seals→ system secrets: mac, token, digest
                          └wraps→ user keys ─wrap→ data keys ─seal→ revisions

    locked ── the flag is gone, and the provider answers ──► unlocked
      ▲                                                        │ the watch job sees the flag: all keys are purged
      └────────────────────────────────────────────────────────┘

`create` (in `founding.py`) makes all of this for an empty database. `Instance.open` checks at the start that keyring
and database belong together.
"""

from __future__ import annotations

import contextlib
import threading
import uuid

from vault.crypto import Context, Key, SealedBlob, as_sealed, keyed_digest, open_blob, seal
from vault.errors import BlobError, IntegrityError, KeyProviderUnavailable, NewerRowFormat, StorageError, VaultLocked
from vault.keys import Keyring, MasterKey
from vault.services.own.keys import OwnKeys, check_canary, master_key, new_user_key_columns, open_own_keys
from vault.storage import DataKey, Readable, UnitOfWork, UserKey, Watched, first_rows, watched
from vault.storage.rows.lock_flag import with_marker
from vault.storage.signing.row_formats import RowFormats, numbers_of

IN_USE = ("pending", "active")
"""The states of a master key version in which every worker must be able to use it."""

HOLDS_NOTHING = 2**63 - 1
"""The state number that a locked worker reports. It is later than any other."""


class Instance:
    """A vault, open or locked. Jobs call `heed_lock`, `refresh` and `prove`; everything else only reads."""

    def __init__(self, storage: Readable, keyring: Keyring) -> None:
        self.id = keyring.instance_id
        self.keyring = keyring
        self._storage = storage
        self._flag = False
        self._keys: OwnKeys | None = None
        self._proven: set[str] = set()
        self._mutex = threading.Lock()
        self._epoch = 0

    @classmethod
    def open(cls, storage: Readable, keyring: Keyring) -> Instance:
        """Open the vault in `storage`, and give `storage` the keys that check its rows. For commands on the host.

        A lock applies to workers, but not to the operator on the host, who may have to rotate keys. Raises
        `KeyringError` if the keyring belongs to another vault, and `StorageError` if the database has no vault.
        """
        instance = cls(storage, keyring)
        with storage.read() as unit:
            instance._flag = instance._watched(unit).locked
            instance._learn(unit)
        return instance

    @classmethod
    def follow(cls, storage: Readable, keyring: Keyring) -> Instance:
        """Do the same for a worker, which respects the lock. It also starts locked while the provider does not
        answer.
        """
        instance = cls(storage, keyring)
        with storage.read() as unit, contextlib.suppress(KeyProviderUnavailable):
            instance.refresh(unit)
        return instance

    def heed_lock(self, unit: UnitOfWork) -> bool:
        """Report whether an operator has locked the vault. If so, purge all keys. This does not call the provider."""
        self._flag = self._watched(unit).locked
        if self._flag:
            self._purge()
        return self._flag

    def refresh(self, unit: UnitOfWork) -> None:
        """Check the lock, and load changed keys. Raises what the provider raises."""
        if self.heed_lock(unit):
            return
        keys = self._keys
        if keys is None or self._watched(unit).row_version != keys.state.row_version:
            self._learn(unit)

    def learn(self) -> None:
        """Load changed keys now, for example after a rotation in this process."""
        with self._storage.read() as unit:
            if self._watched(unit).row_version != self.own_keys.state.row_version:
                self._learn(unit)

    def prove(self) -> None:
        """Unwrap the canaries of the active and the next version, once each. Raises what the provider raises."""
        for row in self.own_keys.masters.values():
            if row.state in IN_USE and row.id not in self._proven:
                check_canary(self.keyring, row)
                self._proven.add(row.id)

    @property
    def knows(self) -> tuple[int, int]:
        """Return the highest verified version of the master key, and the state up to which everything is loaded and
        verified.

        The state is 0 if something could not be verified: rotation waits for such a worker. While the vault is locked
        there is nothing to wait for, because everything is loaded again when it is unlocked.
        """
        keys = self._keys
        if keys is None:
            return 0, HOLDS_NOTHING
        usable = [row for row in keys.masters.values() if row.state in IN_USE]
        proven = [row.version for row in usable if row.id in self._proven]
        return max(proven, default=0), keys.state.row_version if len(proven) == len(usable) else 0

    @property
    def locked(self) -> bool:
        """Whether an operator has locked the vault, or its keys are not loaded."""
        return self._flag or self._keys is None

    @property
    def is_flagged(self) -> bool:
        """Whether an operator has locked the vault."""
        return self._flag

    def require_unlocked(self) -> None:
        """Raise `VaultLocked` while the vault is locked."""
        if self.locked:
            raise VaultLocked()

    @property
    def system_key_id(self) -> str:
        """The id of the system key that seals what belongs to the vault itself."""
        return self.own_keys.system_key.id

    def secret(self, purpose: str) -> Key:
        """Return the active secret for `purpose`."""
        return self.own_keys.active_secrets[purpose]

    def secret_by_id(self, purpose: str, key_id: str) -> Key | None:
        """Return an active or retired secret, or None if there is none with this id."""
        return self.own_keys.secrets.get(purpose, {}).get(key_id)

    def secrets_of(self, purpose: str) -> tuple[Key, ...]:
        """Return all secrets for `purpose`, active and retired."""
        return tuple(self.own_keys.secrets.get(purpose, {}).values())

    def digest(self, purpose: str, *parts: bytes | str) -> bytes:
        """Return a keyed digest under the active key."""
        return keyed_digest(self.secret("digest"), purpose, *parts)

    def digests(self, purpose: str, *parts: bytes | str) -> list[bytes]:
        """Return the keyed digest under every key that may have made it: first the active one, then the retired
        ones.
        """
        active = self.secret("digest")
        retired = [key for key in self.secrets_of("digest") if key.id != active.id]
        return [keyed_digest(key, purpose, *parts) for key in (active, *retired)]

    def seal(self, place: Context, plaintext: bytes) -> SealedBlob:
        """Seal under the system key."""
        return seal(self.own_keys.system_key, place, plaintext)

    def has_system_key(self, key_id: str) -> bool:
        """Report whether this process has the system key with this id."""
        return key_id in self.own_keys.system_keys

    def open_blob(self, place: Context, key_id: str, blob: bytes, *, learns: bool = True) -> bytes:
        """Open what the system key with this id has sealed. Raises `BlobError`.

        With `learns`, a key that this process does not know is looked up in the database.
        """
        key = self.own_keys.system_keys.get(key_id)
        if key is None and learns:
            self.learn()
            key = self.own_keys.system_keys.get(key_id)
        if key is None:
            raise BlobError()
        return open_blob(key, place, blob)

    def user_key(self, owner_id: str | None, row: UserKey) -> Key:
        """Return the user key of a checked row, unwrapped or from the cache. Raises `BlobError` for another owner's
        key.
        """
        master = self.master(row.master_key_id)
        return self.keyring.user_key(master, owner_id, row.id, row.blob, row.check_value)

    def data_key(self, owner_id: str, environment_id: str, data_key: DataKey, user_key: UserKey) -> Key:
        """Return the data key of checked rows, unwrapped or from the cache. Raises `BlobError` if they do not belong
        together.

        A cached data key needs no user key, so a read of a cached environment does not call the key provider.
        """
        wrapped = (owner_id, environment_id, data_key.id, as_sealed(data_key.blob))
        cached = self.keyring.cached_data_key(*wrapped)
        return cached or self.keyring.data_key(self.user_key(owner_id, user_key), *wrapped)

    def master(self, master_key_id: str) -> MasterKey:
        """Return a version of the master key. Raises `BlobError` if there is none with this id."""
        row = self.own_keys.masters.get(master_key_id)
        if row is None:
            # The version is newer than the last look. A rotation does not wait for a worker whose lease has expired.
            self.learn()
            row = self.own_keys.masters.get(master_key_id)
        if row is None:
            raise BlobError()
        return master_key(row)

    def add_user_key(self, unit: UnitOfWork, owner_id: str | None, *, state: str = "active") -> str:
        """Make and store a user key (for None a system key). It takes the fence against a change of the active master
        key.
        """
        fenced = unit.state.fence()
        if fenced.row_version != self.own_keys.state.row_version:
            self._learn(unit)
        master = unit.master_keys.by_id(fenced.active_master_key_id)
        if master is None:
            raise IntegrityError()
        key_id = str(uuid.uuid4())
        unit.user_keys.add(
            **new_user_key_columns(self.keyring, master_key(master), master.version, owner_id, key_id),
            state=state,
            generation=1,
            created_us=unit.clock(),
        )
        return key_id

    @property
    def own_keys(self) -> OwnKeys:
        """The vault's own keys. Raises `VaultLocked`."""
        keys = self._keys
        if keys is None:
            raise VaultLocked()
        return keys

    def _watched(self, unit: UnitOfWork) -> Watched:
        found = watched(unit.connection)
        if found is None:
            raise StorageError("The database has no vault any more.")
        return with_marker(self._storage.url, found)

    def _purge(self) -> None:
        with self._mutex:
            # Discard what other threads are loading at this moment.
            self._epoch += 1
            self._keys = self._storage.signer = None
        self.keyring.purge()

    def _learn(self, unit: UnitOfWork) -> None:
        epoch, before = self._epoch, self._keys
        rows = first_rows(unit.connection)
        if rows is None:
            raise StorageError("The database has no vault any more.")
        keys = open_own_keys(rows, self.keyring, before)
        with self._mutex:
            if self._epoch != epoch or (self._keys and self._keys.state.row_version > keys.state.row_version):
                return
            keys.signer.on_unknown_format = self._look_up_format
            self._keys, self._storage.signer = keys, keys.signer

    def _look_up_format(self, table: str, number: int) -> None:
        """Raise `NewerRowFormat` if the catalogue has this row format, which this process does not know."""
        if table == RowFormats.signed.table.name:
            # The format of the catalogue's own rows never changes.
            return
        with self._storage.read() as unit:
            if number in numbers_of(unit.row_formats.list()).get(table, ()):
                raise NewerRowFormat()
