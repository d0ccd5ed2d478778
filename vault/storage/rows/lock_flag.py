"""The flag that locks the vault. Writing it does not wait for other transactions.

    PostgreSQL   one row in its own table, which no other transaction locks. The commit does not wait for a standby.
    SQLite       the same row. If another process holds the write lock, a file beside the database: strongroom.db.locked

The vault is locked while the row or the file says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL

from vault.errors import DatabaseUnavailable, StorageError
from vault.storage.database.engine import translated, waiting_at_most
from vault.storage.rows.keys import Watched, set_locked, watched
from vault.storage.unit_of_work import Storage

_WAIT_MILLISECONDS = 500
_WRITE_LOCK_BYTE = 120
"""The byte of the `-shm` file that a writer locks (WAL_WRITE_LOCK, https://sqlite.org/walformat.html)."""
_LOCK_FIELDS = 8
_PROC_LOCKS = Path("/proc/locks")


def read_flag(storage: Storage) -> Watched:
    """Return the flag that every worker polls, including SQLite's file. Raises `StorageError` if there is no vault."""
    try:
        with storage.read() as unit:
            found = watched(unit.connection)
    except (sa.exc.ProgrammingError, sa.exc.OperationalError) as error:
        # The table is missing.
        raise StorageError(
            "The database does not have the schema of this release. Run `strongroom db upgrade` first."
        ) from error
    if found is None:
        raise StorageError("The database has no vault.")
    return with_marker(storage.url, found)


def with_marker(url: URL, found: Watched) -> Watched:
    """Return `found`, or locked if the file exists."""
    marker = marker_of(url)
    return Watched(True, found.row_version) if marker is not None and os.path.lexists(marker) else found


def write_flag(storage: Storage, locked: bool, now_us: int) -> str:
    """Set the flag within about a second. Returns a warning if only the file could be written, otherwise "".

    Raises `DatabaseUnavailable`.
    """
    marker = marker_of(storage.url)
    try:
        _write_row(storage, locked, now_us)
    except DatabaseUnavailable as error:
        if marker is None:
            raise
        holder = _holder_sentence(marker.with_suffix(""))
        if not locked:
            raise DatabaseUnavailable(
                f"The vault is still locked, because its database takes no writes.{holder}"
            ) from error
        _make_marker(marker)
        return (
            f"The database takes no writes, so the file {marker} locks the vault. The audit has no record of "
            f"this.{holder}"
        )
    if not locked and marker is not None:
        marker.unlink(missing_ok=True)
    return ""


def marker_of(url: URL) -> Path | None:
    """Return the file that locks a SQLite vault, or None for PostgreSQL and for a database in memory."""
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    return Path(f"{url.database}.locked")


def _write_row(storage: Storage, locked: bool, now_us: int) -> None:
    if storage.is_sqlite:
        with _hurried_sqlite(storage) as connection:
            set_locked(connection, locked, now_us)
        return
    with translated(), storage.writing.connect() as connection, connection.begin():
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_WAIT_MILLISECONDS}")
        # Do not wait for a standby.
        connection.exec_driver_sql("SET LOCAL synchronous_commit = local")
        set_locked(connection, locked, now_us)


@contextmanager
def _hurried_sqlite(storage: Storage) -> Iterator[sa.Connection]:
    """Return a connection without a transaction that waits at most half a second for other writers."""
    with translated(), storage.reading.connect() as connection, waiting_at_most(connection, _WAIT_MILLISECONDS):
        yield connection


def _make_marker(marker: Path) -> None:
    try:
        descriptor = os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise DatabaseUnavailable(
            f"The vault is NOT locked, because neither its database nor {marker} can be written ({error.strerror}). "
            "Stop the server instead."
        ) from error
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _holder_sentence(database: Path) -> str:
    """Return a sentence about the process that holds a SQLite database's write lock, if /proc shows it."""
    pid = _writer(database)
    if pid is None:
        return ""
    return f" Process {pid} holds the database's write lock. If it is stuck, stop it, then run `strongroom lock` again."


def _writer(database: Path) -> int | None:
    try:
        inode = f":{Path(f'{database}-shm').stat().st_ino}"
        lines = _PROC_LOCKS.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        # 7: POSIX  ADVISORY  WRITE 4711 fe:01:81730 120 120
        fields = line.split()
        if len(fields) != _LOCK_FIELDS or fields[3] != "WRITE" or not fields[5].endswith(inode):
            continue
        if int(fields[6]) <= _WRITE_LOCK_BYTE and (fields[7] == "EOF" or int(fields[7]) >= _WRITE_LOCK_BYTE):
            return int(fields[4]) if int(fields[4]) > 0 else None
    return None
