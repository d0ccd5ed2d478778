"""A directory of this host, or mounted on it."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from vault.errors import BackupError, NotFound
from vault.model.clock import DAY_US, now_us  # noqa: TID251 - compared with the dates of files.
from vault.services.backup.place import FILES_MOST, Stored, too_many

DIRECTORY = "dir:"
"""The start of such an address."""

_FILE_MODE = 0o600
_ABANDONED_US = DAY_US
"""A copy that has not changed for a day was left by a crash."""


class DirectoryPlace:
    """A directory that must already exist: otherwise an empty mount point would be mistaken for the disk behind it."""

    def __init__(self, path: Path) -> None:
        self.address = f"{DIRECTORY}{path}"
        self._path = path

    def stored(self) -> list[Stored]:
        """Return all files, in order of name."""
        try:
            with os.scandir(self._path) as entries:
                listed = list(islice(entries, FILES_MOST + 1))
            if len(listed) > FILES_MOST:
                raise too_many(self.address)
            found = [entry for entry in listed if entry.is_file(follow_symlinks=False)]
            files = [Stored(entry.name, entry.stat(follow_symlinks=False).st_size) for entry in found]
        except OSError as error:
            raise self._unusable(error, "read") from error
        return sorted((file for file in files if not file.name.startswith(".")), key=lambda file: file.name)

    def put(self, name: str, source: Path) -> None:
        """Copy the file, flush it to the disk, and only then give it its name."""
        partial = self._path / f".{name}.{secrets.token_hex(4)}.partial"
        try:
            try:
                with source.open("rb") as read, open(partial, "xb", opener=_private) as written:
                    shutil.copyfileobj(read, written)
                    written.flush()
                    os.fsync(written.fileno())
                partial.replace(self._path / name)
                _sync_directory(self._path)
            finally:
                partial.unlink(missing_ok=True)
            self._sweep()
        except OSError as error:
            raise self._unusable(error, "written to") from error

    def size_bytes(self, name: str) -> int:
        """Return the size of a file."""
        with self.fetched(name) as path:
            try:
                return path.stat().st_size
            except OSError as error:
                raise self._unusable(error, "read") from error

    @contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        """Yield the file itself."""
        path = self._path / name
        if not path.is_file():
            raise NotFound(f"There is no file {name} in {self.address}.")
        yield path

    def delete(self, name: str) -> None:
        """Delete a file."""
        try:
            (self._path / name).unlink(missing_ok=True)
        except OSError as error:
            raise self._unusable(error, "written to") from error

    def _sweep(self) -> None:
        """Remove unfinished copies after a crash."""
        for partial in self._path.glob(".strongroom-*.partial"):
            if now_us() - partial.stat().st_mtime_ns // 1000 > _ABANDONED_US:
                partial.unlink(missing_ok=True)

    def _unusable(self, error: OSError, how: str) -> BackupError:
        if isinstance(error, FileNotFoundError):
            return BackupError(f"{self.address} does not exist. Make the directory (mode 0700), or mount its disk.")
        return BackupError(f"{self.address} cannot be {how}: {error.strerror}.")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, _FILE_MODE)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
