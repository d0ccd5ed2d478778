"""What somebody does who can write to the database and holds no key: read rows, put them back, and worse."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from vault.services import Services
from vault.storage.tables import metadata

Rows = dict[str, list[dict[str, Any]]]


def copy_of(vault: Services, *tables: str) -> Rows:
    """All rows of some tables, or of all."""
    with vault.storage.reading.connect() as connection:
        return {
            table.name: [dict(row) for row in connection.execute(sa.select(table)).mappings()]
            for table in metadata.tables.values()
            if not tables or table.name in tables
        }


def put_back(vault: Services, rows: Rows) -> None:
    """Replace all rows of the tables that `rows` has."""
    is_sqlite = vault.storage.is_sqlite
    with vault.storage.reading.connect() as connection:
        off, on = ("PRAGMA foreign_keys=OFF", "PRAGMA foreign_keys=ON")
        if not is_sqlite:
            off, on = ("SET session_replication_role=replica", "SET session_replication_role=origin")
        connection.exec_driver_sql(off)
        for name, found in rows.items():
            table = metadata.tables[name]
            connection.execute(sa.delete(table))
            if found:
                connection.execute(sa.insert(table), found)
        connection.exec_driver_sql(on)


def put_back_row(vault: Services, table: str, row: dict[str, Any]) -> None:
    """Put one row in the place of the one that has its key."""
    found = metadata.tables[table]
    key = [column == row[column.name] for column in found.primary_key]
    with vault.storage.reading.connect() as connection:
        changed = connection.execute(sa.update(found).where(*key).values(row)).rowcount
        if not changed:
            connection.execute(sa.insert(found), row)
