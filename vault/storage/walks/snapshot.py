"""All rows at one moment, read from or written to either database: the content of a backup.

Tables that must not be restored, or mean nothing elsewhere, are left out: see `table_facts.py`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import Connection, LargeBinary, bindparam, select, tuple_, update
from sqlalchemy.exc import StatementError

from vault.errors import StorageError
from vault.storage.database.bulk import insert_many, learn_statistics
from vault.storage.database.engine import is_unavailable, translated
from vault.storage.database.moment import one_moment
from vault.storage.database.schema import schema_revision
from vault.storage.database.session_limits import LONG
from vault.storage.rows.keys import FirstRows, first_rows
from vault.storage.signing.signed import SignedTable
from vault.storage.signing.signed_row import R
from vault.storage.sql_types import AnyTable, ColumnValue
from vault.storage.table_facts import TABLE_FACTS
from vault.storage.tables import audit_events, audit_head, metadata, schema_readers
from vault.storage.unit_of_work import Storage, UnitOfWork

LEFT_OUT = frozenset(name for name, facts in TABLE_FACTS.items() if not facts.is_kept)

_SMALL_ROWS = 1000
_LARGE_ROWS = 32
"""The number of rows read at once: a revision may have 1 MiB, and neither database returns a table in pieces."""
_MARK_DIGITS = 12
_WRITTEN_ROWS = 2000
_WRITTEN_BYTES = 4 * 1024 * 1024
"""How much is written at once. PostgreSQL checks the references of a batch at its end, which must not take long."""


ArchivedValue = str | int | bool | None
"""A value of a column in an archive. Bytes are base64."""


class KeptTable(NamedTuple):
    """A table of a backup, and its columns."""

    name: str
    columns: tuple[str, ...]


def kept_tables() -> list[AnyTable]:
    """Return the tables of a snapshot, each after the tables that it refers to."""
    return [table for table in metadata.sorted_tables if table.name not in LEFT_OUT]


class Snapshot:
    """The whole database at one moment."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def first_rows(self) -> FirstRows | None:
        """Return the rows that open the vault, or None if there is no vault."""
        return first_rows(self._connection)

    @property
    def schema(self) -> str:
        """The newest migration in the database."""
        return schema_revision(self._connection)

    @property
    def changes_mark(self) -> str | None:
        """A text that differs after any change, or None while an event waits for its place."""
        return changes_mark(self._connection)

    @property
    def events_placed(self) -> int:
        """The number of events in the audit's tree. It grows with every action and does not depend on a clock."""
        return int(self._connection.execute(select(audit_head.c.size)).scalar_one_or_none() or 0)

    def tables(self) -> list[KeptTable]:
        """Return the tables of a backup, each after the tables that it refers to."""
        return [KeptTable(table.name, tuple(column.name for column in table.columns)) for table in kept_tables()]

    def rows(self, table: str) -> Iterator[list[ArchivedValue]]:
        """Yield the rows of a table as JSON values, in the order of its columns."""
        return read_rows(self._connection, metadata.tables[table])


@contextmanager
def snapshot(storage: Storage) -> Iterator[Snapshot]:
    """Open a view of one moment, without blocking other writers. Raises `DatabaseUnavailable`."""
    with translated(), storage.reading.connect() as connection, one_moment(connection):
        if not storage.is_sqlite:
            # The archive is written between two reads, perhaps to a slow disk.
            connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = '{LONG.idle_seconds}s'")
        yield Snapshot(connection)


def read_rows(connection: Connection, table: AnyTable) -> Iterator[list[ArchivedValue]]:
    """Yield the rows of a table as JSON values, in the order of its columns, page by page in order of its key."""
    binary = [isinstance(column.type, LargeBinary) for column in table.columns]
    is_large = any(isinstance(column.type, LargeBinary) and column.type.length is None for column in table.columns)
    limit = _LARGE_ROWS if is_large else _SMALL_ROWS
    key = list(table.primary_key.columns)
    places = [list(table.columns).index(column) for column in key]
    statement = select(table).order_by(*key).limit(limit)
    page = connection.execute(statement).all()
    while page:
        for row in page:
            yield [_to_json(table, value) if is_bytes else value for value, is_bytes in zip(row, binary, strict=True)]
        if len(page) < limit:
            return
        last = tuple(page[-1][place] for place in places)
        page = connection.execute(statement.where(tuple_(*key) > last)).all()


def write_rows(unit: UnitOfWork, name: str, columns: Sequence[str], rows: Iterable[Sequence[ArchivedValue]]) -> None:
    """Insert rows from `Snapshot.rows`. Raises `StorageError` for an unknown table, and for rows that it refuses."""
    table = next((table for table in kept_tables() if table.name == name), None)
    if table is None:
        raise StorageError(f"The archive has an unknown table: {name}.")
    kinds = {column.name: isinstance(column.type, LargeBinary) for column in table.columns}
    if not set(columns) <= set(kinds):
        raise StorageError(f"The archive has columns of {table.name} that this release does not know.")
    parents = _Parents(table)
    try:
        for batch in _batches(table, columns, rows):
            insert_many(unit.connection, table, [parents.hold_back(row) for row in batch])
        parents.give_back(unit.connection)
    except (LookupError, OverflowError, ValueError, TypeError, StatementError) as error:
        if is_unavailable(error):
            raise
        raise StorageError(f"The archive has rows that the table {table.name} does not accept.") from error
    learn_statistics(unit.connection, table)


def as_nouns(
    signed: SignedTable, noun: type[R], columns: Sequence[str], rows: Iterable[Sequence[ArchivedValue]]
) -> tuple[R, ...]:
    """Return rows of an archive as objects of their class. Raises `KeyError` if a column is missing."""
    make = signed.maker(noun, tuple(columns))
    return tuple(map(make, _decoded(signed.table, columns, rows)))


def has_rows(connection: Connection) -> bool:
    """Report whether any table has rows that the migrations did not write."""
    tables = [table for table in metadata.sorted_tables if table is not schema_readers]
    return any(connection.execute(select(1).select_from(table).limit(1)).first() for table in tables)


def changes_mark(connection: Connection) -> str | None:
    """Return a text that differs after any change: the random end of the id of the newest event that wrote a row.

    The newest event has the highest position. Events get positions in the order in which they are seen, so a slow
    writer's position is never below one that was read before. Returns None while an event has no position.
    """
    wrote = audit_events.c.rows != ""
    waiting = select(1).where(audit_events.c.sequence.is_(None), wrote).limit(1)
    if connection.execute(waiting).first() is not None:
        return None
    newest = select(audit_events.c.id).where(audit_events.c.sequence.is_not(None), wrote)
    event_id = connection.execute(newest.order_by(audit_events.c.sequence.desc()).limit(1)).scalar_one_or_none()
    return str(event_id or "0" * _MARK_DIGITS)[-_MARK_DIGITS:]


class _Parents:
    """References of a table to itself. They are set after all rows exist, because a child may come before its
    parent.
    """

    def __init__(self, table: AnyTable) -> None:
        self._table = table
        self._key = next(iter(table.primary_key.columns))
        self._column = next((key.parent for key in table.foreign_keys if key.column.table is table), None)
        self._held: list[dict[str, ColumnValue]] = []

    def hold_back(self, row: dict[str, ColumnValue]) -> dict[str, ColumnValue]:
        """Return the row without its parent."""
        if self._column is None or row[self._column.name] is None:
            return row
        self._held.append({"child": row[self._key.name], "its_parent": row[self._column.name]})
        return row | {self._column.name: None}

    def give_back(self, connection: Connection) -> None:
        """Set the parents."""
        if self._column is not None and self._held:
            statement = update(self._table).where(self._key == bindparam("child"))
            connection.execute(statement.values({self._column: bindparam("its_parent")}), self._held)


def _batches(
    table: AnyTable, columns: Sequence[str], rows: Iterable[Sequence[ArchivedValue]]
) -> Iterator[list[dict[str, ColumnValue]]]:
    """Yield rows in the database's form, in batches that limit memory."""
    batch: list[dict[str, ColumnValue]] = []
    size = 0
    for values in _decoded(table, columns, rows):
        batch.append(dict(zip(columns, values, strict=True)))
        size += sum(len(value) for value in values if isinstance(value, bytes))
        if len(batch) >= _WRITTEN_ROWS or size >= _WRITTEN_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _decoded(
    table: AnyTable, columns: Sequence[str], rows: Iterable[Sequence[ArchivedValue]]
) -> Iterator[list[ColumnValue]]:
    binary = [isinstance(table.columns[name].type, LargeBinary) for name in columns]
    for row in rows:
        yield [_from_json(value) if is_bytes else value for value, is_bytes in zip(row, binary, strict=True)]


def _to_json(table: AnyTable, value: bytes | None) -> str | None:
    if value is None:
        return None
    if not isinstance(value, bytes):
        # SQLite accepts text in a column of bytes.
        raise StorageError(
            f"A row of {table.name} has values that this vault did not write. Run `strongroom doctor --database`. "
            "No archive was made."
        )
    return base64.b64encode(value).decode()


def _from_json(value: ArchivedValue) -> bytes | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError("Bytes must be base64 text.")
    return base64.b64decode(value, validate=True)
