"""Which schema this release has, and how the database's own stands to it.

empty       no schema at all                                       `db upgrade` makes one
older       a migration of ours is missing                         `db upgrade`
current     ours
accepted    a newer release's, which lets this one read and write  nothing to do
newer       a newer release's, which does not                      run that release, or restore a backup
"""

from __future__ import annotations

from sqlalchemy import Connection, inspect, select, text

from vault.errors import StorageError
from vault.storage.inspection import inspect_schema
from vault.storage.tables import schema_readers

SCHEMA = "0002"
"""The newest migration of this release. Row formats up to its number are in this release's code."""
SCHEMA_NUMBER = int(SCHEMA)

ADVICE = "Put it back as it was, or restore a backup into an empty database."
_FAULTS_NAMED = 5
_SEVERAL = " and "


def schema_revision(connection: Connection) -> str:
    """The migration that the database stands at; empty where there is no schema."""
    # Looked for first: on PostgreSQL a failed statement would end the transaction that may be under way.
    if not inspect(connection).has_table("alembic_version"):
        return ""
    # Several are named together, which is no migration of any release.
    found = connection.execute(text("SELECT version_num FROM alembic_version ORDER BY version_num")).scalars()
    return _SEVERAL.join(str(revision) for revision in found)


def schema_state(connection: Connection) -> str:
    """`empty`, `older`, `current`, `accepted` or `newer`: see above."""
    revision = schema_revision(connection)
    if revision in ("", SCHEMA):
        return "current" if revision else "empty"
    if revision.isdecimal() and int(revision) < SCHEMA_NUMBER:
        return "older"
    return "accepted" if _oldest_reader(connection, revision) <= SCHEMA_NUMBER else "newer"


def require_usable(connection: Connection) -> str:
    """The state of a schema that this release can serve from. Raises `StorageError` with what to do."""
    state = schema_state(connection)
    if state == "newer":
        raise StorageError(newer_sentence(schema_revision(connection)))
    if state not in ("current", "accepted"):
        raise StorageError("The database has no schema, or an older one: run `strongroom db upgrade` first.")
    return state


def require_whole(connection: Connection) -> None:
    """Raise `StorageError` where something of the schema is missing, or was changed by hand."""
    faults = inspect_schema(connection).faults
    if faults:
        more = f" And {len(faults) - _FAULTS_NAMED} more." if len(faults) > _FAULTS_NAMED else ""
        raise StorageError(
            f"The database's schema is not as its migrations made it. {' '.join(faults[:_FAULTS_NAMED])}{more} "
            f"{ADVICE} `strongroom db status` names everything."
        )


def newer_sentence(revision: str) -> str:
    """What to do about a schema that this release must not touch."""
    if _SEVERAL in revision:
        return (
            f"The database names several schemas at once ({revision}), which no release does: somebody has changed the "
            "table alembic_version by hand. Leave only the migration in it that was run last, or restore a backup."
        )
    return (
        f"A newer release of Strongroom has made the database's schema ({revision}), and this release ({SCHEMA}) "
        "cannot use it. Run that newer release, or restore a backup from before the upgrade into an empty database."
    )


def _oldest_reader(connection: Connection, revision: str) -> int:
    """The oldest migration that a release must know beside this one; beyond any where it names none."""
    if not inspect(connection).has_table(schema_readers.name):
        return SCHEMA_NUMBER + 1
    reader = select(schema_readers.c.oldest_reader).where(schema_readers.c.revision == revision)
    found = connection.execute(reader).scalar_one_or_none()
    # SQLite lets somebody put text into a column of numbers.
    return found if isinstance(found, int) else SCHEMA_NUMBER + 1
