"""The spool: sealed records on this host's disk. They are there before an answer is sent, and soon in the database.

    spool/<instance id>/<random>.spool     one or two files of each worker (see `spool_file.py`)
    spool/<instance id>/set-aside/         files with records that the database could not take

A worker appends to one file while a job drains the other. The first thread writes for all that came meanwhile. It
does not wait for more: a wait of half a millisecond or one did not increase the reads per second.

Each file is locked by the worker that made it. A file with a free lock was left by a dead worker, and any other
worker drains it. A torn record at its end belongs to a read that was never answered.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import structlog

from vault.crypto import SealedBlob
from vault.errors import AuditUnavailable
from vault.observe import metrics
from vault.storage.spool.receipts import Batch, is_held
from vault.storage.spool.set_aside import FOLDER, SetAside
from vault.storage.spool.spool_file import HEADER_BYTES, RECORD, SUFFIX, RecordTooLarge, SpoolFile, require_length

log = structlog.get_logger(__name__)

_ROOM_BYTES = 64 << 10
"""The room that a worker needs to be ready: enough for about two hundred reads."""
_CLOSED_MOST = 2
"""While the database is down, two files wait for it and a third grows. More files would not help."""


class Spool:
    """This process's files, and files that other workers have left. Nothing is opened before the first record."""

    def __init__(self, directory: Path, most_bytes: int) -> None:
        self._directory = directory
        self._most_bytes = most_bytes
        self._kept = SetAside(directory, most_bytes)
        self._gathering = threading.Lock()
        self._writing = threading.Lock()
        self._batch = Batch()
        self._current: SpoolFile | None = None
        self._spare: SpoolFile | None = None
        self._closed: list[SpoolFile] = []
        self._foreign: set[Path] = set()

    def append(self, record_id: bytes, blob: SealedBlob) -> Batch:
        """Store one record. It is on the disk when this returns, unless its receipt is held (see `receipts.py`).

        Raises `AuditUnavailable`.
        """
        try:
            require_length(blob)
        except RecordTooLarge as error:
            log.error("audit_record_too_large", bytes=len(blob))  # noqa: TRY400 - its own text is enough.
            raise AuditUnavailable(
                "The audit record of this read is too large, so the read is refused. Read fewer values at once."
            ) from error
        with self._gathering:
            batch = self._batch
            batch.records.append((record_id, blob))
            batch.size += RECORD.size + len(blob)
            leads = len(batch.records) == 1
        if leads:
            with self._writing:
                # The disk is free. Write everything that has come until now together.
                with self._gathering:
                    self._batch = Batch()
                self._write(batch)
        elif is_held(batch):
            return batch
        if not batch.wait():
            raise AuditUnavailable()
        return batch

    def take(self) -> list[SpoolFile]:
        """Return the files of this process to drain. Give each back with `drained`."""
        with self._writing:
            has_room = len(self._closed) < _CLOSED_MOST
            if has_room and self._current is not None and self._current.end > HEADER_BYTES:
                self._closed.append(self._current)
                self._current, self._spare = self._spare, None
            return list(self._closed)

    def drained(self, file: SpoolFile) -> None:
        """Mark a file whose records are all stored elsewhere."""
        with self._writing:
            self._closed.remove(file)
            if self._spare is None and file.is_sound:
                try:
                    file.restart()
                except OSError as error:
                    log.warning("audit_spool_restart_failed", error=str(error))
                else:
                    self._spare = file
                    return
        file.remove()

    def left_behind(self) -> Iterator[SpoolFile]:
        """Yield files of dead workers. Remove each one after draining it, or close it."""
        own = {file.path for file in (self._current, self._spare, *self._closed) if file is not None}
        for path in sorted(self._directory.glob(f"*{SUFFIX}")):
            if path in own or path in self._foreign or (file := SpoolFile.adopt(path)) is None:
                continue
            if file.is_known:
                yield file
                continue
            # A release that knows the format, or a person, can still import it. Deleting it would lose reads.
            file.close()
            self._foreign.add(path)
            log.warning("audit_spool_left_alone", file=path.name, reason="another format, or too damaged to search")

    def set_aside(self, file: SpoolFile, reasons: Mapping[str, int]) -> None:
        """Keep a drained file with records that cannot be stored. `reasons` counts them by their errors.

        The whole file is moved at once: one file for each record would cost one sync each. Raises `OSError`.
        """
        self._kept.add(file)
        with self._writing:
            if file in self._closed:
                self._closed.remove(file)
        metrics().spool_set_aside.inc(sum(reasons.values()))
        log.error("audit_records_set_aside", file=file.path.name, reasons=dict(reasons))

    def make_room(self) -> None:
        """Allocate disk blocks for the next records. Raises `OSError`."""
        with self._writing:
            self._require_room(_ROOM_BYTES)
            if self._current is None:
                self._current = SpoolFile.create(self._directory)
            self._current.make_room(_ROOM_BYTES)

    def waiting_bytes(self) -> int:
        """Return how many bytes, up to the last batch, are not in the database yet."""
        return sum(file.end for file in (self._current, *self._closed) if file is not None)

    def set_aside_bytes(self) -> int:
        """Return the size of the files that were set aside, by any worker of this host."""
        return self._kept.size()

    def close(self) -> None:
        """Close all files. Empty ones are deleted, and the next worker finds the others."""
        for file in (self._current, self._spare, *self._closed):
            if file is not None and file.end == HEADER_BYTES:
                file.remove()
            elif file is not None:
                file.close()
        self._current, self._spare, self._closed = None, None, []

    def _require_room(self, size: int) -> None:
        if self.waiting_bytes() + size > self._most_bytes:
            raise OSError(errno.ENOSPC, "The spool is full.")
        if self._kept.is_full():
            raise OSError(errno.ENOSPC, f"The folder {FOLDER} of the spool is full. Move its files elsewhere.")

    def _write(self, batch: Batch) -> None:
        is_stored = False
        try:
            self._require_room(batch.size)
            if self._current is None:
                self._current = SpoolFile.create(self._directory)
            self._current.write(batch.records)
            is_stored = True
        except OSError as error:
            self._set_aside()
            log.error("audit_spool_failed", error=str(error))  # noqa: TRY400 - its own text is enough.
        finally:
            batch.settle(is_stored=is_stored)

    def _set_aside(self) -> None:
        """Stop writing to a file after a failure. Its records are still drained."""
        if self._current is not None and not self._current.is_sound:
            self._closed.append(self._current)
            self._current = None
