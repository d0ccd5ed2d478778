"""Finds tables of a newer release that have rows. This release can neither save them nor sign them again."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Connection

from vault.errors import Conflict
from vault.model.printable import shown
from vault.storage.database.live_schema import read_schema
from vault.storage.database.schema import schema_state
from vault.storage.tables import metadata

_SIGNATURE = {"mac_key_id", "mac"}


def newer_tables(connection: Connection, *, signed: bool = False) -> list[str]:
    """Return the tables with rows that only a newer release knows, or only those with signed rows."""
    if schema_state(connection) != "accepted":
        # Without a newer release, any other table belongs to the operator.
        return []
    columns = read_schema(connection).columns
    unknown = sorted(columns.keys() - metadata.tables.keys() - {"alembic_version"})
    wanted = [name for name in unknown if not signed or columns[name].keys() >= _SIGNATURE]
    found = [name for name in wanted if connection.execute(sa.select(1).select_from(sa.table(name)).limit(1)).first()]
    return list(map(shown, found))


def require_every_signed_table(connection: Connection) -> None:
    """Raise `Conflict` if a newer release has signed rows in a table that this release does not know."""
    found = newer_tables(connection, signed=True)
    if found:
        raise Conflict(
            f"A newer release has signed rows in tables that this release does not know: {', '.join(found)}. This "
            "release cannot sign them again. Run the reseal with that newer release."
        )
