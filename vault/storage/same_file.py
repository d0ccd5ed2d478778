"""Whether a SQLite database's file is still the one that this process opened.

SQLite goes on with a file that was deleted or moved away: it takes writes that nobody will ever read again.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from sqlalchemy.engine import URL

from vault.errors import DatabaseUnavailable

_GONE = (
    "The database file was deleted, moved or replaced while this process used it, so nothing more is written. "
    "Put it back, or restart the server."
)


class SameFile:
    """The identity of a database file, taken at its first use."""

    def __init__(self, url: URL) -> None:
        name = url.database if url.get_backend_name() == "sqlite" else None
        self._path = Path(name) if name and name != ":memory:" else None
        self._first: tuple[int, int] | None = None

    def require(self) -> None:
        """Raise `DatabaseUnavailable` where the path leads to another file by now, or to none."""
        if self._path is None:
            return
        found = None
        with suppress(OSError):
            status = self._path.stat()
            found = (status.st_dev, status.st_ino)
        if self._first is None:
            self._first = found
        if found is None or found != self._first:
            raise DatabaseUnavailable(_GONE)
