"""The interface of all places for archives. `places.py` has the list of kinds."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vault.errors import BackupError

FILES_MOST = 100_000
"""A place with more files is refused: it is not only for archives, and each backup lists all files."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A file in a place."""

    name: str
    size_bytes: int


def too_many(address: str) -> BackupError:
    """Return the error for a place with more than `FILES_MOST` files."""
    return BackupError(f"{address} has more than {FILES_MOST:,} files. Use a place that holds only archives.")


class Place(Protocol):
    """Stores files by name. Every method raises `BackupError` with a message if the place cannot be used."""

    address: str
    """The address in the settings."""

    def stored(self) -> list[Stored]:
        """Return all files, in order of name; at most `FILES_MOST`."""

    def put(self, name: str, source: Path) -> None:
        """Store a copy under `name`, completely or not at all."""

    def size_bytes(self, name: str) -> int:
        """Return the size of a file. Raises `NotFound`."""

    def fetched(self, name: str) -> AbstractContextManager[Path]:
        """Yield a local file with the content, while the block lasts. Raises `NotFound`."""

    def delete(self, name: str) -> None:
        """Delete a file. A missing one is not an error."""
