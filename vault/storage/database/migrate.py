"""Migrations, run by Alembic: `strongroom db upgrade`, and `serve` for a database that is empty or embedded."""

from __future__ import annotations

import time
from pathlib import Path

import sqlalchemy as sa
from alembic import command

from vault.errors import DatabaseUnavailable, StorageError
from vault.model.clock import now_us  # noqa: TID251 - a migration belongs to a command, and writes no date.
from vault.model.printable import shown
from vault.storage.database.engine import (
    LOCK_NOT_AVAILABLE,
    is_unavailable,
    make_engine,
    may_try_again,
    parse_url,
    sqlstate_of,
    translated,
)
from vault.storage.database.past_schema import alembic_config
from vault.storage.database.same_file import unusable
from vault.storage.database.schema import SCHEMA, newer_sentence, require_whole, schema_status
from vault.storage.database.session_limits import UPGRADE
from vault.storage.rows.workers import Workers
from vault.storage.signing.repository import Stale
from vault.storage.tables import schema_readers

_LOCK_NUMBER = 0x53524D31
"""An arbitrary number ("SRM1") for PostgreSQL's advisory lock, because two hosts may start at once."""

_LOCK_WAIT_SECONDS = 3.0
_TRIES = 8
_PAUSE_SECONDS = 0.5
"""The first pause between two tries. Each later pause is longer by this. All tries take less than a minute."""

_IN_THE_WAY = (
    "Other transactions held the tables for a minute, so the schema was not changed. Find the long ones with "
    "`SELECT pid, xact_start, query FROM pg_stat_activity ORDER BY xact_start`, end them, and run the upgrade again."
)


def migrate(url: str) -> None:
    """Bring the database to this release's schema. A newer schema that this release may use is not changed.

    Raises `StorageError`, and changes nothing, for a newer schema that it must not use, for a schema that was changed
    by hand, while a worker runs that could not use the new schema, and if other transactions block it for too long.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        _make_private(Path(parsed.database))
    engine = make_engine(parsed, pool_size=1, autocommit=False, bounded=False, limits=UPGRADE)
    try:
        for attempt in range(_TRIES):
            if _is_upgraded(engine):
                return
            time.sleep(_PAUSE_SECONDS * (attempt + 1))
    finally:
        engine.dispose()
    raise StorageError(_IN_THE_WAY)


def _is_upgraded(engine: sa.Engine) -> bool:
    """Upgrade in one transaction. Returns False if another transaction blocked it."""
    try:
        with translated(), engine.begin() as connection:
            _upgrade(connection)
    except Stale:
        return False
    except DatabaseUnavailable as error:
        if error.__cause__ is None or sqlstate_of(error.__cause__) != LOCK_NOT_AVAILABLE:
            raise
        return False
    return True


def _upgrade(connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK_NUMBER})
        # While ALTER TABLE waits for its lock, all later readers of the table wait behind it. So give up soon and
        # retry.
        connection.execute(sa.text(f"SET LOCAL lock_timeout = '{round(_LOCK_WAIT_SECONDS * 1000)}ms'"))
    found = schema_status(connection)
    if found.state == "newer":
        raise StorageError(newer_sentence(found.revision))
    if found.state in ("empty", "older"):
        # Report manual changes before a migration fails because of them.
        require_whole(connection, found)
        _run_migrations(connection)
        # A migration may have met a foreign table of the same name. An error here undoes the whole transaction.
        require_whole(connection, schema_status(connection))
        _refuse_old_workers(connection)


def _run_migrations(connection: sa.Connection) -> None:
    try:
        command.upgrade(alembic_config(connection), "head")
    except (sa.exc.OperationalError, sa.exc.ProgrammingError) as error:
        if is_unavailable(error) or may_try_again(error):
            raise
        # The message names tables, columns and indexes, but no value: migrations move no secrets.
        reason = shown(str(error.orig).strip().partition("\n")[0])
        raise StorageError(
            f"The upgrade failed, and nothing was changed: {reason}. If the schema was changed by hand, undo that "
            "change, then run the upgrade again."
        ) from error


def _refuse_old_workers(connection: sa.Connection) -> None:
    """Raise `StorageError`, which undoes the upgrade, while a worker runs that cannot use the new schema."""
    newest = sa.select(schema_readers.c.oldest_reader).where(schema_readers.c.revision == SCHEMA)
    oldest_reader = connection.execute(newest).scalar_one_or_none()
    # SQLite allows text in a column of numbers.
    if not isinstance(oldest_reader, int):
        raise StorageError(
            f"The migration {SCHEMA} stores no row with its number and its oldest reader in the table schema_readers, "
            "so nothing was changed. The row says which releases can use the new schema. Add it at the end of the "
            "migration, as step 1 of docs/contributing/adding-a-column.md says."
        )
    living = Workers(connection).living(now_us())
    old = sorted(worker.described for worker in living if worker.row_format < oldest_reader)
    if old:
        raise StorageError(
            f"Servers of a release that cannot use the new schema still run: {', '.join(old)}. Nothing was changed. "
            "Stop them, then run the upgrade again. A killed server counts as running for 20 seconds."
        )


def _make_private(path: Path) -> None:
    """Create the file of a new embedded database with mode 0600. SQLite gives its log the same mode."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError as error:
        raise unusable(path, error) from error
