"""Walks over keys and the blobs that they seal, for rotation. The query is the state, so a walk continues after any
crash.

Progress is not stored: a row that is not done still names the old key. Rows are changed many at a time by
compare-and-swap on their version, so a walk runs beside writers and beside another walk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from sqlalchemy import Update, bindparam, column, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from vault.storage.rows.keys import DataKey, UserKey
from vault.storage.rows.users import Credential
from vault.storage.signing.repository import (
    SIGNATURE,
    AnyRepository,
    Stale,
    signed_values,
)
from vault.storage.signing.signed_row import SignedRow
from vault.storage.sql_types import AnyElement, AnyTable, ColumnValues
from vault.storage.tables import (
    challenges,
    credentials,
    data_keys,
    idempotency,
    revisions,
    system_secrets,
    user_keys,
    wrapped_answers,
)
from vault.storage.unit_of_work import UnitOfWork

R = TypeVar("R", bound=SignedRow)

RowChange = tuple[R, ColumnValues]
"""A row as it was read, and its new column values."""


def change_many(unit: UnitOfWork, repository: type[AnyRepository], changes: Sequence[RowChange[R]]) -> None:
    """Change rows that were read before, and sign them again. Raises `Stale` if one has changed since."""
    _write_many(unit, repository, changes, versions=1)


def sign_many(unit: UnitOfWork, repository: type[AnyRepository], records: Sequence[SignedRow]) -> None:
    """Sign unchanged rows again, without a new version, so that a login in progress does not see a change.

    Raises `Stale` if one has changed since.
    """
    _write_many(unit, repository, [(record, {}) for record in records], versions=0)


def _write_many(
    unit: UnitOfWork, repository: type[AnyRepository], changes: Sequence[RowChange[R]], *, versions: int
) -> None:
    if not changes:
        return
    signed = repository.signed
    table = signed.table
    names = (*changes[0][1], *SIGNATURE)
    parameters = []
    for record, columns in changes:
        before = record.values()
        changed = {**before, **columns, "row_version": record.row_version + versions}
        after = signed_values(unit.connection, unit.signer, signed, changed)
        parameters.append(
            {f"new_{name}": after[name] for name in names}
            | {f"old_{name}": before[name] for name in (*signed.key_names, "row_version")}
        )
        repository.note(unit.journal, after)
    if _update(unit, table, parameters) != len(parameters):
        raise Stale(table.name)


def _update(unit: UnitOfWork, table: AnyTable, parameters: Sequence[ColumnValues]) -> int:
    """Set `new_…` in rows where `old_…` is unchanged. Returns how many rows."""
    names = list(parameters[0])
    if unit.connection.dialect.name != "postgresql":
        given: Mapping[str, AnyElement] = {name: bindparam(name) for name in names}
        return unit.connection.execute(_set_where(table, given), parameters).rowcount
    # One statement over arrays takes a third of the time of one statement for each row.
    types = {name: table.c[name[4:]].type for name in names}
    arrays = [bindparam(name, type_=ARRAY(types[name])) for name in names]
    rows = func.unnest(*arrays).table_valued(*(column(name, types[name]) for name in names), name="rows")
    given = dict(rows.render_derived().c)
    statement = _set_where(table, given)
    return unit.connection.execute(statement, {name: [row[name] for row in parameters] for name in names}).rowcount


def _set_where(table: AnyTable, given: Mapping[str, AnyElement]) -> Update:
    same = [table.c[name[4:]] == given[name] for name in given if name.startswith("old_")]
    return update(table).where(*same).values({name[4:]: given[name] for name in given if name.startswith("new_")})


def unchanged(unit: UnitOfWork, repository: type[AnyRepository], records: Sequence[SignedRow]) -> set[str | int]:
    """Return the ids of rows that are unchanged since they were read. They are locked until the transaction ends."""
    table = repository.signed.table
    (name,) = repository.signed.key_names
    read = {repository.id_of(record): record.row_version for record in records}
    statement = select(table.c[name], table.c.row_version).where(table.c[name].in_(list(read)))
    # Lock in order of id, like all code that locks several rows.
    now = {row[0]: row[1] for row in unit.connection.execute(statement.order_by(table.c[name]).with_for_update())}
    return {key for key, version in read.items() if now.get(key) == version}


def of_older_format(
    unit: UnitOfWork, repository: type[AnyRepository], number: int, after: str | int | None, limit: int
) -> list[SignedRow]:
    """Return rows of formats older than `number`, in order of id, after the id `after`.

    Their MACs are not checked, and they have only the columns that a MAC covers.
    """
    signed = repository.signed
    (name,) = signed.key_names
    key = signed.table.c[name]
    statement = select(*signed.columns).where(signed.table.c.row_format < number)
    if after is not None:
        statement = statement.where(key > after)
    make = signed.maker(SignedRow, signed.order)
    return [make(row) for row in unit.connection.execute(statement.order_by(key).limit(limit))]


def references(unit: UnitOfWork) -> dict[str, int]:
    """Return how many user keys each version of the master key wraps, by the version's id."""
    statement = select(user_keys.c.master_key_id, func.count().label("wrapped")).group_by(user_keys.c.master_key_id)
    return {row.master_key_id: row.wrapped for row in unit.connection.execute(statement)}


def outdated_versions(unit: UnitOfWork, version: int) -> list[int]:
    """Return the existing versions before `version`, the oldest first."""
    return [row.version for row in unit.master_keys.list() if row.version < version]


def count_outdated(unit: UnitOfWork, version: int) -> int:
    """Return how many user keys are wrapped by a version before this one."""
    return unit.connection.execute(
        select(func.count()).select_from(user_keys).where(user_keys.c.master_version < version)
    ).scalar_one()


def outdated_user_keys(unit: UnitOfWork, version: int, after: str, limit: int) -> list[UserKey]:
    """Return user keys that this version wraps, in order of id, after the id `after`."""
    # Select one version at a time: the index has this order.
    statement = select(user_keys).where(user_keys.c.master_version == version, user_keys.c.id > after)
    return unit.user_keys.all(statement.order_by(user_keys.c.id).limit(limit))


def data_keys_under(unit: UnitOfWork, user_key_id: str) -> list[DataKey]:
    """Return the data keys that this user key wraps."""
    return unit.data_keys.all(select(data_keys).where(data_keys.c.user_key_id == user_key_id))


def users_with_key_before(unit: UnitOfWork, created_us: int, after: str, limit: int) -> list[str]:
    """Return the ids of users whose active key was made before a time, in order, after the id `after`."""
    old = (user_keys.c.state == "active") & (user_keys.c.created_us < created_us) & (user_keys.c.owner_id > after)
    statement = select(user_keys.c.owner_id).where(old).order_by(user_keys.c.owner_id).limit(limit)
    return [row.owner_id for row in unit.connection.execute(statement)]


def data_keys_before(unit: UnitOfWork, created_us: int, after: str, limit: int) -> list[DataKey]:
    """Return active data keys that were made before a time, in order of id, after the id `after`."""
    old = (data_keys.c.state == "active") & (data_keys.c.created_us < created_us) & (data_keys.c.id > after)
    return unit.data_keys.all(select(data_keys).where(old).order_by(data_keys.c.id).limit(limit))


def idle_data_keys(unit: UnitOfWork, limit: int) -> list[DataKey]:
    """Return retired data keys that seal nothing any more."""
    sealed = select(revisions.c.id).where(revisions.c.data_key_id == data_keys.c.id).exists()
    return unit.data_keys.all(select(data_keys).where(data_keys.c.state == "retired", ~sealed).limit(limit))


def credentials_under(unit: UnitOfWork, system_key_ids: Sequence[str], limit: int) -> list[Credential]:
    """Return credentials that one of these system keys seals."""
    statement = select(credentials).where(credentials.c.user_key_id.in_(system_key_ids))
    return unit.credentials.all(statement.order_by(credentials.c.id).limit(limit))


def is_sealing(unit: UnitOfWork, system_key_id: str) -> bool:
    """Report whether anything stored is sealed by this system key."""
    return any(
        unit.connection.execute(
            select(table.c.user_key_id).where(table.c.user_key_id == system_key_id).limit(1)
        ).first()
        for table in (system_secrets, credentials, challenges, idempotency, wrapped_answers)
    )
