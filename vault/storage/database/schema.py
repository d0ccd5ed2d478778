"""The schema of this release, and the state of the database's schema.

empty       no schema                                        run `strongroom db upgrade`
older       a migration of this release is missing           run `strongroom db upgrade`
current     the schema of this release                       nothing to do
accepted    a newer schema that this release may use         nothing to do
newer       a newer schema that this release must not use    run the newer release, or restore a backup
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, inspect, select, text

from vault.errors import StorageError
from vault.model.printable import shown
from vault.storage.database.inspection import Inspected, inspect_schema
from vault.storage.database.past_schema import tables_at
from vault.storage.tables import metadata, schema_readers

SCHEMA = "0003"
"""The newest migration of this release. Row formats up to its number are in this release's code."""
SCHEMA_NUMBER = int(SCHEMA)

ADVICE = "Undo the change, or restore a backup into an empty database."

_SEVERAL = " and "
_REVISION_MOST = 32
"""The length of `alembic_version.version_num`, which SQLite does not enforce."""


def schema_revision(connection: Connection) -> str:
    """Return the newest migration in the database, or "" if there is no schema."""
    # Look for the table first: on PostgreSQL, a failed statement would abort the current transaction.
    if not inspect(connection).has_table("alembic_version"):
        return ""
    # Several numbers are joined, which matches no release.
    found = connection.execute(text("SELECT version_num FROM alembic_version ORDER BY version_num")).scalars()
    return _SEVERAL.join(_plain(str(revision)) for revision in found)


def is_older(revision: str) -> bool:
    """Report whether `revision` is the number of a migration before this release's newest. It may be any text."""
    is_number = len(revision) <= _REVISION_MOST and revision.isascii() and revision.isdecimal()
    return is_number and int(revision) < SCHEMA_NUMBER


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """The newest migration in the database ("" if there is no schema), and the state, as in the table above."""

    revision: str
    state: str

    @property
    def is_usable(self) -> bool:
        """Whether this release can serve the database."""
        return self.state in ("current", "accepted")


def schema_status(connection: Connection) -> SchemaStatus:
    """Return the newest migration in the database, and what it means for this release."""
    revision = schema_revision(connection)
    if revision in ("", SCHEMA):
        return SchemaStatus(revision, "current" if revision else "empty")
    if is_older(revision):
        return SchemaStatus(revision, "older")
    is_accepted = _oldest_reader(connection, revision) <= SCHEMA_NUMBER
    return SchemaStatus(revision, "accepted" if is_accepted else "newer")


def require_usable(connection: Connection) -> SchemaStatus:
    """Return the status. Raises `StorageError`, which says what to do, if this release cannot serve the database."""
    found = schema_status(connection)
    if found.state == "newer":
        raise StorageError(newer_sentence(found.revision))
    if not found.is_usable:
        raise StorageError("The database has no schema, or an older one. Run `strongroom db upgrade` first.")
    return found


def inspect_database(connection: Connection, found: SchemaStatus) -> Inspected:
    """Compare the schema with what its own migrations made. An older schema is compared with the older tables."""
    if found.state in ("empty", "newer"):
        return Inspected()
    expected = tables_at(found.revision) if found.state == "older" else metadata
    return inspect_schema(connection, expected, is_newer=found.state == "accepted")


def require_whole(connection: Connection, found: SchemaStatus) -> None:
    """Raise `StorageError`, which names every fault, if part of the schema is missing or was changed by hand."""
    faults = inspect_database(connection, found).faults
    if faults:
        raise StorageError(f"The database's schema differs from its migrations. {' '.join(faults)} {ADVICE}")


def newer_sentence(revision: str) -> str:
    """Return what to do about a newer schema that this release must not use."""
    if _SEVERAL in revision:
        return (
            f"The table alembic_version names several schemas at once ({revision}), so it was changed by hand. Leave "
            "only the row of the migration that ran last, or restore a backup."
        )
    return (
        f"A newer release of Strongroom made the database's schema ({revision}). This release ({SCHEMA}) cannot use "
        "it. Run that newer release, or restore a backup from before the upgrade into an empty database."
    )


def _plain(revision: str) -> str:
    """Return the text as it may stand in a sentence. What is cut matches no release."""
    return shown(revision if len(revision) <= _REVISION_MOST else f"{revision[:_REVISION_MOST]}…")


def _oldest_reader(connection: Connection, revision: str) -> int:
    """Return the oldest migration that a release must know to use `revision`; above our own if none is stored."""
    if not inspect(connection).has_table(schema_readers.name):
        return SCHEMA_NUMBER + 1
    reader = select(schema_readers.c.oldest_reader).where(schema_readers.c.revision == revision)
    found = connection.execute(reader).scalar_one_or_none()
    # SQLite allows text in a column of numbers.
    return found if isinstance(found, int) else SCHEMA_NUMBER + 1
