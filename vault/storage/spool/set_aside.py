"""The folder for spool files with records that the database could not take.

They are evidence, so nothing is deleted here. A file that is moved back beside the others is drained again. While the
folder is full, reads are refused, as they are while the spool is full: an operator must move the files elsewhere.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import structlog

from vault.storage.spool.spool_file import SpoolFile

log = structlog.get_logger(__name__)

FOLDER = "set-aside"
_LEAST_BYTES = 4096
"""A smaller file counts as this size, so that the number of files is limited too."""
_MEASURED_SECONDS = 60.0
"""All workers of the host share the folder, so each measures it again after this time."""


class SetAside:
    """The folder `set-aside` in the folder of the spool."""

    def __init__(self, spool: Path, most_bytes: int) -> None:
        self._folder = spool / FOLDER
        self._most_bytes = most_bytes
        self._size = 0
        self._measured: float | None = None

    def add(self, file: SpoolFile) -> None:
        """Move a file here, even if the folder is full. Raises `OSError`."""
        file.move(self._folder)
        self._size += max(file.end, _LEAST_BYTES)
        if self._size > self._most_bytes:
            log.error("audit_set_aside_full", folder=str(self._folder), bytes=self._size)

    def size(self) -> int:
        """Return the bytes in the folder, as of the last minute."""
        now = time.monotonic()
        if self._measured is None or now - self._measured > _MEASURED_SECONDS:
            self._size, self._measured = _size_of(self._folder), now
        return self._size

    def is_full(self) -> bool:
        """Report whether no more reads may be recorded until somebody moves files away."""
        return self.size() > self._most_bytes


def _size_of(folder: Path) -> int:
    total = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                total += max(entry.stat(follow_symlinks=False).st_size, _LEAST_BYTES)
    except OSError:
        # There is no folder yet, or a file was moved away just now. A folder that cannot be used fails in `add`.
        return total
    return total
