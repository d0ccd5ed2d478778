"""What all repositories share: rows are signed when they are written, and checked when they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql import ColumnElement

from vault.errors import Conflict
from vault.storage.rows.workers import Workers
from vault.storage.signing.journal import Journal, WrittenRow
from vault.storage.signing.signed import FormatNotOpen, RowSigner, SignedTable
from vault.storage.signing.signed_row import SignedRow
from vault.storage.sql_types import AnyElement, AnyRow, AnySelect, ColumnValue, ColumnValues, RowValues

SIGNATURE = ("row_version", "row_format", "mac_key_id", "mac")
"""The columns that every change of a signed row writes."""

IDS_AT_ONCE = 500
"""The number of ids in one statement. Every database accepts more."""

N = TypeVar("N", bound=SignedRow)
R = TypeVar("R", bound=SignedRow)


class Stale(Exception):
    """Another writer has changed the row. Run the unit of work again from its start."""


class StillReferred(Exception):
    """Other rows refer to the row, so it cannot be deleted."""


class Repository(Generic[R]):
    """A table of signed rows, over one connection. `R` is the class of its rows."""

    signed: ClassVar[SignedTable]
    noun: type[R]

    def __init__(self, connection: Connection, signer: RowSigner, journal: Journal) -> None:
        self._connection = connection
        self._signer = signer
        self._journal = journal

    def add(self, **values: ColumnValue) -> None:
        """Insert and sign one row. Give every column that has no default."""
        self._insert(self._signed_row(values))

    def add_many(self, rows: Sequence[ColumnValues]) -> None:
        """Insert and sign many rows, in one call of the driver."""
        if rows:
            self._insert(*(self._signed_row(dict(values)) for values in rows))

    def _signed_row(self, values: RowValues) -> RowValues:
        table = self.signed.table
        row = {column.name: values.pop(column.name, None) for column in table.columns}
        if values:
            raise TypeError(f"{table.name} has no column {', '.join(values)}")
        row["row_version"] = 1
        for name, before in self.signed.before.items():
            row[name] = before if row[name] is None else row[name]
        for column in table.columns:
            if row[column.name] is None and column.server_default is not None:
                del row[column.name]
        return signed_values(self._connection, self._signer, self.signed, row)

    def _insert(self, *rows: RowValues) -> None:
        table = self.signed.table
        try:
            self._connection.execute(insert(table), rows[0] if len(rows) == 1 else list(rows))
        except IntegrityError as error:
            # Another writer has added the same name. When the unit of work runs again, it finds the row and reports it.
            raise Stale(table.name) from error
        for row in rows:
            self.note(self._journal, row)

    def change(self, record: R, **changes: ColumnValue) -> R:
        """Change a row that was read before, sign it again, and return it. Raises `Stale` if it has changed since.

        Raises `Conflict` if a value needs a column that a running worker of an older release cannot check.
        """
        table, before = self.signed.table, record.values()
        after = {**before, **changes, "row_version": record.row_version + 1}
        signature = signed_values(self._connection, self._signer, self.signed, after)
        written = {name: signature[name] for name in (*changes, *SIGNATURE)}
        statement = update(table).where(*self._key_is(before), table.c.row_version == record.row_version)
        if self._connection.execute(statement.values(written)).rowcount != 1:
            raise Stale(table.name)
        self.note(self._journal, signature)
        return self.signed.maker(self.noun, tuple(signature))(tuple(signature.values()))

    def remove(self, record: R) -> None:
        """Delete a row that was read before. Raises `StillReferred` if a foreign key prevents it."""
        values = record.values()
        try:
            self._connection.execute(self.signed.table.delete().where(*self._key_is(values)))
        except IntegrityError as error:
            raise StillReferred(self.signed.table.name) from error
        self._note_gone(values)

    def remove_many(self, rows: Sequence[AnyRow]) -> None:
        """Delete locked rows, of which the key, the version and the owner are known. For tables with one key column."""
        (name,) = self.signed.key_names
        keys = [row._mapping[name] for row in rows]
        self._connection.execute(delete(self.signed.table).where(self.signed.table.c[name].in_(keys)))
        for row in rows:
            self._note_gone(row._asdict())

    def one(self, *conditions: ColumnElement[bool], lock: bool = False) -> R | None:
        """Return the only row that meets `conditions`, or None. `lock` locks it until the transaction ends."""
        statement = select(self.signed.table).where(*conditions)
        row = self._connection.execute(statement.with_for_update() if lock else statement).one_or_none()
        return None if row is None else self.checked(row)

    def named(self, ids: Iterable[str]) -> dict[str, R]:
        """Return the rows with these ids, by id, for tables with one key column."""
        found = [self.checked(row) for row in self._with_ids(ids, self.signed.table.columns)]
        return {str(self.id_of(row)): row for row in found}

    def all(self, statement: AnySelect) -> list[R]:
        """Return all rows of a statement that selects whole rows of this table."""
        return [self.checked(row) for row in self._connection.execute(statement)]

    def unchecked(self, statement: AnySelect) -> list[R]:
        """Return all rows without checking a MAC, for code that reports forged rows."""
        return [self.signed.maker(self.noun, row._fields)(row) for row in self._connection.execute(statement)]

    def checked(self, row: AnyRow) -> R:
        """Return the row as an object of its class. Raises `MacError` if this vault did not write it."""
        return self.checked_as(self.noun, row)

    def checked_as(self, noun: type[N], row: AnyRow) -> N:
        """Return a checked row as another class, which need not have all columns of the table."""
        self._signer.check(self.signed, self.signed.ordered(row._asdict()))
        return self.signed.maker(noun, row._fields)(row)

    @classmethod
    def id_of(cls, row: SignedRow) -> str | int:
        """Return the key of a row, for tables with one key column."""
        (name,) = cls.signed.key_names
        found: str | int = row.values()[name]
        return found

    def _with_ids(self, ids: Iterable[str], columns: Iterable[AnyElement]) -> Iterator[AnyRow]:
        (name,) = self.signed.key_names
        wanted = list(dict.fromkeys(ids))
        for start in range(0, len(wanted), IDS_AT_ONCE):
            some = self.signed.table.c[name].in_(wanted[start : start + IDS_AT_ONCE])
            yield from self._connection.execute(select(*columns).where(some))

    @classmethod
    def note(cls, journal: Journal, row: RowValues) -> None:
        """Note that a signed row of this table was written."""
        table = cls.signed.table
        journal.note(table, WrittenRow(table.name, cls._key_text(row), row["row_version"], row["mac"]), row)

    def _note_gone(self, row: RowValues) -> None:
        table = self.signed.table
        self._journal.note(table, WrittenRow(table.name, self._key_text(row), row["row_version"] + 1, b""), row)

    @classmethod
    def _key_text(cls, row: RowValues) -> str:
        return "/".join(str(row[name]) for name in cls.signed.key_names)

    def _key_is(self, values: RowValues) -> Iterable[ColumnElement[bool]]:
        return [self.signed.table.c[name] == values[name] for name in self.signed.key_names]


AnyRepository: TypeAlias = Repository[Any]  # type: ignore[explicit-any]  # Each table has another noun.
"""A repository for any table, for code that treats all tables alike."""


def signed_values(connection: Connection, signer: RowSigner, signed: SignedTable, values: RowValues) -> RowValues:
    """Sign values. Raises `Conflict` if a worker of an older release could not check the row."""
    try:
        return signer.sign(signed, values)
    except FormatNotOpen as error:
        raise _not_open(connection, error.number) from error


def _not_open(connection: Connection, number: int) -> Conflict:
    """Return the error that names the older workers that cannot check row format `number`."""
    names = [worker.described for worker in Workers(connection).older_than(number)]
    if not names:
        return Conflict("The upgrade to this release is not finished yet. Try again in a minute.")
    return Conflict(
        f"Workers of an older release still run, and cannot check this change: {', '.join(names)}. "
        "Stop them to finish the upgrade, then try again."
    )
