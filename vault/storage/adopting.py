"""An older release beside or after a newer one: it takes the columns of newer row formats from the catalogue.

It can then check rows of such a format, and carry the values of columns that it does not know when it changes a row.
This changes the tables of this process, so it is done once, when the vault is opened and before any statement is made.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Connection, Table, select

from vault.errors import StorageError
from vault.storage.authority import SIGNED_TABLES
from vault.storage.repository import Record
from vault.storage.row_formats import added_by
from vault.storage.signed import SignedTable
from vault.storage.tables import row_formats


def adopt(connection: Connection) -> list[str]:
    """Add all formats of the catalogue that this release does not know to its tables; their ids.

    Nothing is checked here, because no key is open yet: `open_own_keys` proves that this vault wrote the catalogue, and
    that what was taken here is what it says.
    Raises `StorageError` for a format that does not follow from what this release knows.
    """
    statement = select(row_formats).order_by(row_formats.c.number)
    return [row.id for row in connection.execute(statement) if _adopted(connection, row)]


def _adopted(connection: Connection, row: Record) -> bool:
    signed = SIGNED_TABLES.get(row.table_name)
    if signed is None:
        return False
    added = added_by(row)
    if row.number in signed.layouts:
        known = signed.added_by(row.number)
        if known != added:
            raise StorageError(f"Row format {row.id} has other columns in the database than in this release.")
        return False
    _append_columns(connection, signed, list(added), row.id)
    try:
        signed.append(row.number, added)
    except ValueError as error:
        raise StorageError(f"This release cannot use row format {row.id}: {error}") from error
    return True


def _append_columns(connection: Connection, signed: SignedTable, names: list[str], format_id: str) -> None:
    table: Table = signed.table
    found = {column["name"]: column for column in sa.inspect(connection).get_columns(table.name)}
    for name in names:
        if name not in found:
            raise StorageError(f"The column {table.name}.{name} of row format {format_id} is missing.")
        if name not in table.columns:
            told = found[name]
            default = sa.text(told["default"]) if told["default"] is not None else None
            table.append_column(Column(name, told["type"], nullable=told["nullable"], server_default=default))
