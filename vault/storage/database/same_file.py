"""Detects that a SQLite database file is no longer the one that this process opened.

SQLite continues to use a file that was deleted or moved away, and its writes would be lost.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from sqlalchemy.engine import URL

from vault.errors import DatabaseUnavailable
from vault.model.printable import shown
from vault.storage.database.engine import parse_url

_GONE = (
    "The database file was deleted, moved or replaced while this process used it, so nothing more is written. "
    "Put it back, or restart the server."
)


def is_missing(url: str) -> bool:
    """Report whether this is a SQLite database whose file does not exist. Opening it would create an empty file.

    Raises `DatabaseUnavailable` if it cannot be known, as for a folder that this process may not enter.
    """
    name = _file_of(parse_url(url))
    if name is None:
        return False
    try:
        Path(name).stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError as error:
        raise unusable(name, error) from error
    return False


def unusable(path: str | Path, error: OSError) -> DatabaseUnavailable:
    """Return the error for a database file that this process cannot reach or make."""
    return DatabaseUnavailable(
        f"The database file {shown(str(path))} cannot be used: {error.strerror}. Check STRONGROOM_DATABASE_URL and the "
        "rights of the folders above the file."
    )


def _file_of(url: URL) -> str | None:
    name = url.database if url.get_backend_name() == "sqlite" else None
    return None if name == ":memory:" else name or None


class SameFile:
    """The identity of a database file, recorded at its first use."""

    def __init__(self, url: URL) -> None:
        name = _file_of(url)
        self._path = Path(name) if name else None
        self._first: tuple[int, int] | None = None

    def require(self) -> None:
        """Raise `DatabaseUnavailable` if the path now leads to another file or to none."""
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
