"""Rows of keys at every level, of the vault's own secrets, and of the row that says what is active."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from vault.errors import MacError
from vault.storage.database.upsert import upsert
from vault.storage.signing.repository import Repository
from vault.storage.signing.row_formats import OpenFormat, RowFormats, stored_formats
from vault.storage.signing.signed import RowSigner, SignedTable
from vault.storage.signing.signed_row import R, SignedRow
from vault.storage.sql_types import AnySelect
from vault.storage.tables import (
    data_keys,
    destroyed_keys,
    lock_flag,
    master_keys,
    system_secrets,
    user_keys,
    vault_state,
)


@dataclass(frozen=True, slots=True)
class MasterKeyVersion(SignedRow):
    """A version of the master key: where it is, never the key."""

    id: str
    version: int
    provider: str
    ref: str
    state: str
    created_us: int
    changed_us: int
    canary: bytes
    canary_digest: bytes


class MasterKeys(Repository[MasterKeyVersion]):
    """Versions of the master key: where each one is stored, never the key."""

    noun = MasterKeyVersion
    signed = SignedTable(master_keys)

    def by_id(self, key_id: str) -> MasterKeyVersion | None:
        """Return the version with this id."""
        return self.one(master_keys.c.id == key_id)

    def by_version(self, version: int) -> MasterKeyVersion | None:
        """Return the version with this number."""
        return self.one(master_keys.c.version == version)

    def list(self) -> list[MasterKeyVersion]:
        """Return all versions, oldest first."""
        return self.all(select(master_keys).order_by(master_keys.c.version))


@dataclass(frozen=True, slots=True)
class UserKey(SignedRow):
    """The wrapped key of a person, or of the system if it has no owner."""

    id: str
    owner_id: str | None
    master_key_id: str
    master_version: int
    state: str
    blob: bytes
    check_value: bytes
    generation: int
    created_us: int


class UserKeys(Repository[UserKey]):
    """User keys, wrapped by a master key. The one without an owner is the system key."""

    noun = UserKey
    signed = SignedTable(user_keys)

    def by_id(self, key_id: str) -> UserKey | None:
        """Return the key with this id."""
        return self.one(user_keys.c.id == key_id)

    def active(self, owner_id: str) -> UserKey:
        """Return the key that wraps this owner's new data keys. Raises `MacError` if there is none: this vault makes
        one for each.
        """
        found = self.one(user_keys.c.owner_id == owner_id, user_keys.c.state == "active")
        if found is None:
            raise MacError()
        return found

    def of_system(self) -> list[UserKey]:
        """Return the system keys, active or not, oldest first."""
        return self.all(select(user_keys).where(user_keys.c.owner_id.is_(None)).order_by(user_keys.c.created_us))


@dataclass(frozen=True, slots=True)
class DataKey(SignedRow):
    """The key of an environment, wrapped."""

    id: str
    environment_id: str
    owner_id: str
    user_key_id: str
    state: str
    blob: bytes
    generation: int
    created_us: int


class DataKeys(Repository[DataKey]):
    """Data keys, wrapped by their owner's user key."""

    noun = DataKey
    signed = SignedTable(data_keys)

    def by_id(self, key_id: str) -> DataKey | None:
        """Return the key with this id."""
        return self.one(data_keys.c.id == key_id)

    def active(self, environment_id: str) -> DataKey | None:
        """Return the key that seals this environment's new revisions."""
        return self.one(data_keys.c.environment_id == environment_id, data_keys.c.state == "active")


@dataclass(frozen=True, slots=True)
class SystemSecret(SignedRow):
    """A key of the vault itself, sealed."""

    id: str
    purpose: str
    state: str
    user_key_id: str
    blob: bytes
    created_us: int
    changed_us: int


class SystemSecrets(Repository[SystemSecret]):
    """Keys that belong to the vault itself, sealed under the system key."""

    noun = SystemSecret
    signed = SignedTable(system_secrets)

    def list(self) -> list[SystemSecret]:
        """Return all secrets, oldest first."""
        return self.all(select(system_secrets).order_by(system_secrets.c.created_us))


@dataclass(frozen=True, slots=True)
class DestroyedKey(SignedRow):
    """A key that was destroyed."""

    key_id: str
    kind: str
    owner_id: str | None
    environment_id: str | None
    provider: str | None
    ref: str | None
    version: int | None
    created_us: int | None
    destroyed_us: int
    confirmed_us: int | None


@dataclass(frozen=True, slots=True)
class DestroyedMaster(DestroyedKey):
    """A version of the master key that was destroyed. Its row has all of these columns."""

    provider: str
    ref: str
    version: int
    created_us: int


class DestroyedKeys(Repository[DestroyedKey]):
    """Keys that were destroyed."""

    noun = DestroyedKey
    signed = SignedTable(destroyed_keys)

    def masters(self) -> list[DestroyedMaster]:
        """Return the destroyed versions of the master key, in the order of their destruction."""
        masters = (
            select(destroyed_keys).where(destroyed_keys.c.kind == "master").order_by(destroyed_keys.c.destroyed_us)
        )
        return [self.checked_as(DestroyedMaster, row) for row in self._connection.execute(masters)]

    def erased(self) -> list[DestroyedKey]:
        """Return the destroyed keys of people and environments."""
        return self.all(select(destroyed_keys).where(destroyed_keys.c.kind != "master"))

    def purged(self, environment_ids: set[str]) -> set[str]:
        """Return those of these environments whose keys were destroyed."""
        return set(self._connection.execute(select(destroyed_keys.c.environment_id)).scalars()) & environment_ids

    def known(self, ids: set[str]) -> set[str]:
        """Return those of `ids` that are destroyed."""
        return set(self._connection.execute(select(destroyed_keys.c.key_id)).scalars()) & ids


@dataclass(frozen=True, slots=True)
class StateRow(SignedRow):
    """Which vault this is, and which keys are active."""

    id: int
    instance_id: str
    active_master_key_id: str
    active_system_key_id: str
    created_us: int
    reseal_from_us: int | None


class VaultState(Repository[StateRow]):
    """The one row that says which vault this is and what is active."""

    noun = StateRow
    signed = SignedTable(vault_state)

    def get(self) -> StateRow:
        """Return the row. Raises `MacError` if it is missing or was not written by this vault."""
        found = self.one(vault_state.c.id == 1)
        if found is None:
            raise MacError()
        return found

    def fence(self) -> StateRow:
        """Return the row, and prevent a change of the active version until this transaction ends."""
        # With a plain read, PostgreSQL would let a reference to the old version commit after the change.
        row = self._connection.execute(select(vault_state).with_for_update(read=True)).one_or_none()
        if row is None:
            raise MacError()
        return self.checked(row)

    def hold(self) -> StateRow:
        """Return the row, locked until this transaction ends, so that nobody writes under the fence."""
        found = self.one(vault_state.c.id == 1, lock=True)
        if found is None:
            raise MacError()
        return found


@dataclass(frozen=True, slots=True)
class FirstRows:
    """The rows that open a vault. They are read before any key can check them, because the MAC key is among the
    secrets.
    """

    state: StateRow
    system_keys: tuple[UserKey, ...]
    masters: tuple[MasterKeyVersion, ...]
    secrets: tuple[SystemSecret, ...]
    formats: tuple[OpenFormat, ...] = ()
    """The catalogue of row formats."""

    def check_catalogue(self, signer: RowSigner) -> None:
        """Raise `MacError` unless this vault wrote the catalogue of row formats."""
        _check_all(signer, RowFormats.signed, self.formats)

    def check(self, signer: RowSigner) -> None:
        """Raise `MacError` unless this vault wrote all other rows."""
        for signed, rows in (
            (VaultState.signed, (self.state,)),
            (UserKeys.signed, self.system_keys),
            (MasterKeys.signed, self.masters),
            (SystemSecrets.signed, self.secrets),
        ):
            _check_all(signer, signed, rows)


def _check_all(signer: RowSigner, signed: SignedTable, rows: Sequence[SignedRow]) -> None:
    for row in rows:
        signer.check(signed, signed.ordered(row.values()))


def first_rows(connection: Connection) -> FirstRows | None:
    """Return the rows that open the vault, or None if the database has none."""
    states = _unchecked(connection, VaultState.signed, StateRow, select(vault_state))
    if not states:
        return None
    (state,) = states
    # Read each table before the tables that it refers to, so that a key that is added in between is not missing.
    formats = stored_formats(connection)
    in_order = select(system_secrets).order_by(system_secrets.c.created_us)
    secrets = _unchecked(connection, SystemSecrets.signed, SystemSecret, in_order)
    of_system = select(user_keys).where(user_keys.c.owner_id.is_(None)).order_by(user_keys.c.created_us)
    system_keys = _unchecked(connection, UserKeys.signed, UserKey, of_system)
    masters = _unchecked(
        connection, MasterKeys.signed, MasterKeyVersion, select(master_keys).order_by(master_keys.c.version)
    )
    return FirstRows(state, system_keys, masters, secrets, tuple(formats))


def _unchecked(connection: Connection, signed: SignedTable, noun: type[R], statement: AnySelect) -> tuple[R, ...]:
    found = connection.execute(statement)
    make = signed.maker(noun, tuple(found.keys()))
    return tuple(make(row) for row in found)


@dataclass(frozen=True, slots=True)
class Watched:
    """What every worker polls without a key: whether the vault is locked, and whether anything has changed."""

    locked: bool
    row_version: int


def watched(connection: Connection) -> Watched | None:
    """Return what every worker polls, or None if the database has no vault. It waits for no row lock."""
    flag = select(lock_flag.c.locked).where(lock_flag.c.id == 1).scalar_subquery()
    row = connection.execute(select(flag, vault_state.c.row_version)).one_or_none()
    # A missing flag counts as locked.
    return row and Watched(row[0] is None or bool(row[0]), row[1])


def set_locked(connection: Connection, locked: bool, now_us: int) -> None:
    """Set the flag that every worker polls. It needs no key, because a vault must lock while its provider is away."""
    flag = {"locked": locked, "changed_us": now_us}
    statement = upsert(connection, lock_flag).values(id=1, **flag)
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=flag))


def holds_vault(connection: Connection) -> bool:
    """Report whether the database has a vault."""
    return connection.execute(select(vault_state.c.id)).first() is not None
