"""Finds tables and columns of a newer release. This release can neither save them nor sign their rows again."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy import Connection

from vault.errors import Conflict
from vault.model.printable import shown
from vault.storage.database.live_schema import read_schema
from vault.storage.database.schema import schema_status
from vault.storage.tables import metadata

_SIGNATURE = {"mac_key_id", "mac"}


def unknown_parts(connection: Connection) -> list[str]:
    """Return the tables and columns that only a newer release knows, so that no archive of this release has them.

    This includes empty ones: the newer release that restores an archive cannot tell whether they were empty.
    """
    if schema_status(connection).state != "accepted":
        # Then any other table or column belongs to the operator.
        return []
    live = read_schema(connection).columns
    columns = [
        f"{name}.{column}"
        for name, table in sorted(metadata.tables.items())
        for column in live.get(name, ())
        if column not in table.columns
    ]
    return list(map(shown, [*_unknown_tables(live), *columns]))


def _unknown_tables(live: Mapping[str, object]) -> list[str]:
    return sorted(live.keys() - metadata.tables.keys() - {"alembic_version"})


def _signed_tables(connection: Connection) -> list[str]:
    """Return the tables with signed rows that only a newer release knows."""
    if schema_status(connection).state != "accepted":
        return []
    live = read_schema(connection).columns
    signed = [name for name in _unknown_tables(live) if live[name].keys() >= _SIGNATURE]
    found = [name for name in signed if connection.execute(sa.select(1).select_from(sa.table(name)).limit(1)).first()]
    return list(map(shown, found))


def require_every_signed_table(connection: Connection) -> None:
    """Raise `Conflict` if a newer release has signed rows in a table that this release does not know."""
    found = _signed_tables(connection)
    if found:
        raise Conflict(
            f"A newer release has signed rows in tables that this release does not know: {', '.join(found)}. This "
            "release cannot sign them again. Run the reseal with that newer release."
        )
