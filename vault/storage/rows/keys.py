"""Rows of keys at every level, of the vault's own secrets, and of the one row that says what is active."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from vault.errors import MacError
from vault.storage.database.upsert import upsert
from vault.storage.signing.repository import Record, Repository
from vault.storage.signing.row_formats import RowFormats, stored_formats
from vault.storage.signing.signed import RowSigner, SignedTable
from vault.storage.tables import (
    data_keys,
    destroyed_keys,
    lock_flag,
    master_keys,
    system_secrets,
    user_keys,
    vault_state,
)


class MasterKeys(Repository[Record]):
    """Versions of the master key: where each one lives, never the key."""

    signed = SignedTable(master_keys)

    def by_id(self, key_id: str) -> Record | None:
        """The version with this id."""
        return self.one(master_keys.c.id == key_id)

    def by_version(self, version: int) -> Record | None:
        """The version of this number."""
        return self.one(master_keys.c.version == version)

    def list(self) -> list[Record]:
        """All versions, the oldest first."""
        return self.all(select(master_keys).order_by(master_keys.c.version))


class UserKeys(Repository[Record]):
    """User keys, wrapped by a master key; the one without an owner is the system key."""

    signed = SignedTable(user_keys)

    def by_id(self, key_id: str) -> Record | None:
        """The key with this id."""
        return self.one(user_keys.c.id == key_id)

    def active(self, owner_id: str) -> Record:
        """The key that wraps this owner's new data keys. A user without one was not made by this vault."""
        found = self.one(user_keys.c.owner_id == owner_id, user_keys.c.state == "active")
        if found is None:
            raise MacError()
        return found

    def of_system(self) -> list[Record]:
        """The system keys, active or not, the oldest first."""
        return self.all(select(user_keys).where(user_keys.c.owner_id.is_(None)).order_by(user_keys.c.created_us))


class DataKeys(Repository[Record]):
    """Data keys, wrapped by their owner's user key."""

    signed = SignedTable(data_keys)

    def by_id(self, key_id: str) -> Record | None:
        """The key with this id."""
        return self.one(data_keys.c.id == key_id)

    def active(self, environment_id: str) -> Record | None:
        """The key that seals this environment's new revisions."""
        return self.one(data_keys.c.environment_id == environment_id, data_keys.c.state == "active")


class SystemSecrets(Repository[Record]):
    """Keys that belong to the vault itself, sealed under the system key."""

    signed = SignedTable(system_secrets)

    def list(self) -> list[Record]:
        """All secrets, the oldest first."""
        return self.all(select(system_secrets).order_by(system_secrets.c.created_us))


class DestroyedKeys(Repository[Record]):
    """Which keys are gone for good."""

    signed = SignedTable(destroyed_keys)

    def masters(self) -> list[Record]:
        """The versions of the master key among them, in the order in which they went."""
        return self.all(
            select(destroyed_keys).where(destroyed_keys.c.kind == "master").order_by(destroyed_keys.c.destroyed_us)
        )

    def erased(self) -> list[Record]:
        """The keys of people and environments that are gone for good."""
        return self.all(select(destroyed_keys).where(destroyed_keys.c.kind != "master"))

    def known(self, ids: set[str]) -> set[str]:
        """Those of `ids` that are here."""
        return set(self._connection.execute(select(destroyed_keys.c.key_id)).scalars()) & ids


class VaultState(Repository[Record]):
    """The one row that says which vault this is and what is active."""

    signed = SignedTable(vault_state)

    def get(self) -> Record:
        """The row. Raises `MacError` when it is gone or was not written by this vault."""
        found = self.one(vault_state.c.id == 1)
        if found is None:
            raise MacError()
        return found

    def fence(self) -> Record:
        """The row, held against a flip of the active version until this transaction ends."""
        # Plain reads of PostgreSQL would let a reference to the old version commit after the flip.
        row = self._connection.execute(select(vault_state).with_for_update(read=True)).one_or_none()
        if row is None:
            raise MacError()
        return self.checked(row)

    def hold(self) -> Record:
        """The row, held alone until this transaction ends: nobody writes under the fence meanwhile."""
        found = self.one(vault_state.c.id == 1, lock=True)
        if found is None:
            raise MacError()
        return found


@dataclass(frozen=True, slots=True)
class FirstRows:
    """What opens a vault, read before there is a key to check a row with: the MAC key is among the secrets."""

    state: Record
    system_keys: tuple[Record, ...]
    masters: tuple[Record, ...]
    secrets: tuple[Record, ...]
    formats: tuple[Record, ...] = ()
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


def _check_all(signer: RowSigner, signed: SignedTable, rows: tuple[Record, ...]) -> None:
    for row in rows:
        signer.check(signed, signed.ordered(row._asdict()))


def first_rows(connection: Connection) -> FirstRows | None:
    """The rows that open the vault; None where the database holds none."""
    state = connection.execute(select(vault_state)).one_or_none()
    if state is None:
        return None
    # What refers is read before what it refers to: a key that comes in between is there, and none goes unnoticed.
    formats = stored_formats(connection)
    secrets = connection.execute(select(system_secrets).order_by(system_secrets.c.created_us)).all()
    system_keys = connection.execute(
        select(user_keys).where(user_keys.c.owner_id.is_(None)).order_by(user_keys.c.created_us)
    ).all()
    masters = connection.execute(select(master_keys).order_by(master_keys.c.version)).all()
    return FirstRows(state, tuple(system_keys), tuple(masters), tuple(secrets), tuple(formats))


@dataclass(frozen=True, slots=True)
class Watched:
    """What every worker polls, read without a key: whether the vault is locked, and whether anything is new."""

    locked: bool
    row_version: int


def watched(connection: Connection) -> Watched | None:
    """What every worker polls; None if the database holds no vault. It waits for no row lock."""
    flag = select(lock_flag.c.locked).where(lock_flag.c.id == 1).scalar_subquery()
    row = connection.execute(select(flag, vault_state.c.row_version)).one_or_none()
    # A missing flag counts as locked.
    return row and Watched(row[0] is None or bool(row[0]), row[1])


def set_locked(connection: Connection, locked: bool, now_us: int) -> None:
    """Set the flag that every worker polls. It needs no key: a vault must lock while its provider is away."""
    flag = {"locked": locked, "changed_us": now_us}
    statement = upsert(connection, lock_flag).values(id=1, **flag)
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=flag))


def holds_vault(connection: Connection) -> bool:
    """Whether the database holds a vault."""
    return connection.execute(select(vault_state.c.id)).first() is not None
