"""Lets an older release run beside a newer one: it adds the columns of newer row formats to its own tables.

The catalogue (`row_formats`) names these columns. With them, this release can check rows of a newer format, and keeps
the values of the new columns when it changes a row. This changes the table objects of the process, so it runs once,
when the vault is opened and before any statement is built.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Connection

from vault.errors import StorageError
from vault.storage.signing.authority import SIGNED_TABLES
from vault.storage.signing.row_formats import OpenFormat, added_by, stored_formats
from vault.storage.signing.signed import SignedTable
from vault.storage.sql_types import AnyTable


def adopt(connection: Connection) -> list[str]:
    """Add the formats that this release does not know. Returns their ids.

    No key is open yet, so nothing is verified here: `open_own_keys` later checks the MACs of the catalogue, and that
    the columns added here are in it. Raises `StorageError` for a format that does not extend a known one.
    """
    return [row.id for row in stored_formats(connection) if _adopted(connection, row)]


def _adopted(connection: Connection, row: OpenFormat) -> bool:
    signed = SIGNED_TABLES.get(row.table_name)
    if signed is None:
        return False
    added = added_by(row)
    if row.number in signed.layouts:
        known = signed.added_by(row.number)
        if known != added:
            raise StorageError(
                f"Row format {row.id} has other columns in the database than in this release. Run the release that "
                "made the database, or restore a backup."
            )
        return False
    _append_columns(connection, signed, list(added), row.id)
    try:
        signed.append(row.number, added)
    except ValueError as error:
        raise StorageError(f"This release cannot use row format {row.id}: {error}") from error
    return True


def _append_columns(connection: Connection, signed: SignedTable, names: list[str], format_id: str) -> None:
    table: AnyTable = signed.table
    found = {column["name"]: column for column in sa.inspect(connection).get_columns(table.name)}
    for name in names:
        if name not in found:
            raise StorageError(
                f"The column {table.name}.{name} of row format {format_id} is missing: restore a backup."
            )
        if name not in table.columns:
            stored = found[name]
            default = sa.text(stored["default"]) if stored["default"] is not None else None
            table.append_column(Column(name, stored["type"], nullable=stored["nullable"], server_default=default))
