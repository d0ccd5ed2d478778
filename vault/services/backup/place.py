"""What archives lie in: the one shape of every place. `places.py` knows which there are."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Stored:
    """A file in a place."""

    name: str
    size_bytes: int


class Place(Protocol):
    """Holds files by name. Every method raises `BackupError`, with a sentence, where the place cannot be used."""

    address: str
    """As the settings name it."""

    def stored(self) -> list[Stored]:
        """All files, in order of name."""

    def put(self, name: str, source: Path) -> None:
        """Store a copy under `name`, whole or not at all."""

    def fetched(self, name: str) -> AbstractContextManager[Path]:
        """A local file that holds it, for as long as the block lasts. Raises `NotFound`."""

    def delete(self, name: str) -> None:
        """Delete a file; one that is gone already is no fault."""
