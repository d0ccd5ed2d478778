"""The spool: sealed records on this host's own disk, there before an answer leaves, and in the database a moment later.

    spool/<instance id>/<random>.spool     one or two files of each worker
    spool/<instance id>/set-aside/         records that no drain could store, each in a file

    file   = "SRMSPL1\\n" ‖ epoch (8) ‖ record … ‖ zeros
    record = u32 length of the blob ‖ u32 CRC-32 of epoch ‖ id ‖ blob ‖ id (16) ‖ blob

A worker appends to one file while a job drains the other. A drained file gets a new epoch, which makes all that it held
worthless, and is written from its start again: its blocks are on the disk already, so a record costs one write that
changes no metadata. Whoever comes first writes for all who came meanwhile; nobody lingers for more, because with half
a millisecond or a whole one no more reads were answered in a second.

Each file is locked by the worker that made it. One whose lock is free was left behind by a worker that died, and any
other drains it; a record that is torn at its end was never answered for.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import struct
import threading
import uuid
import weakref
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import structlog

from vault.crypto import SealedBlob
from vault.errors import AuditUnavailable
from vault.observe import metrics
from vault.storage.receipts import Batch, is_held

log = structlog.get_logger(__name__)

_MAGIC = b"SRMSPL1\n"
_EPOCH_BYTES = 8
_HEADER_BYTES = len(_MAGIC) + _EPOCH_BYTES
_RECORD = struct.Struct(">II16s")
_BLOB_MOST_BYTES = 1 << 20
_STEP_BYTES = 1 << 20
"""A file grows by a mebibyte of zeros: about three thousand reads."""
_ROOM_BYTES = 64 << 10
"""Room for some two hundred reads: without it a worker is not ready."""
_KEPT_BYTES = 8 * _STEP_BYTES
"""What a file has grown beyond this is given back when it starts again."""
_CLOSED_MOST = 2
"""While the database is away, two files wait for it and a third grows: there is no use in a file for each try."""
_SUFFIX = ".spool"
SET_ASIDE = "set-aside"
"""The folder of records that no drain could store, each in a file: the sealed record as it was."""
_LIKELY = re.compile(rb"\x00\x00(?:\x00[^\x00]|[^\x00].).{20}", re.DOTALL)
"""The start of a record of less than 64 KiB, by its length alone."""


class SpoolFile:
    """One file of records."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.end = _HEADER_BYTES
        """Behind the last record that is safely on the disk."""
        self.is_sound = True
        self.is_new = True
        """Whether nobody has tried to drain it."""
        self.is_known = True
        """Whether it is of this format, or empty. Another one is a newer release's."""
        self._descriptor = descriptor
        # A file that nobody closes is let go of with its object, and then found by whoever looks for those.
        self._let_go = weakref.finalize(self, os.close, descriptor)
        self._prepared = 0
        self._seed = 0

    @classmethod
    def create(cls, directory: Path) -> SpoolFile:
        """A new file, locked by this process. Raises `OSError`."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = secrets.token_hex(16)
        hidden = directory / f".{name}.new"
        descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_DSYNC | os.O_NOFOLLOW, 0o600)
        made = cls(directory / f"{name}{_SUFFIX}", descriptor)
        try:
            # It gets its name only when it is locked: nobody may take it for one that was left behind.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            made.restart()
            hidden.rename(made.path)
            _sync_directory(directory)
        except BaseException:
            hidden.unlink(missing_ok=True)
            made.close()
            raise
        return made

    @classmethod
    def adopt(cls, path: Path) -> SpoolFile | None:
        """A file that a dead worker has left behind; None for one whose worker lives, or that is gone."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_DSYNC | os.O_NOFOLLOW)
        except OSError:
            return None
        found = cls(path, descriptor)
        found.is_new = False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found._find_end()
        except OSError:
            found.close()
            return None
        return found

    def restart(self) -> None:
        """Begin anew: what the file held is nothing from now on. Raises `OSError`."""
        if self._prepared > _KEPT_BYTES:
            os.ftruncate(self._descriptor, _STEP_BYTES)
            self._prepared = _STEP_BYTES
        epoch = secrets.token_bytes(_EPOCH_BYTES)
        self._prepare(_HEADER_BYTES)
        _write_all(self._descriptor, _MAGIC + epoch, 0)
        self._seed, self.end, self.is_new = zlib.crc32(epoch), _HEADER_BYTES, True

    def write(self, records: list[tuple[bytes, SealedBlob]]) -> None:
        """Append records; when this returns they are on the disk. Raises `OSError`."""
        parts: list[bytes] = []
        for record_id, blob in records:
            parts += (_RECORD.pack(len(blob), zlib.crc32(blob, zlib.crc32(record_id, self._seed)), record_id), blob)
        data = b"".join(parts)
        try:
            self._prepare(self.end + len(data))
            _write_all(self._descriptor, data, self.end)
        except OSError:
            # After a failed sync nobody knows what is on the disk: nothing more is written here.
            self.is_sound = False
            raise
        self.end += len(data)

    def make_room(self, size: int) -> None:
        """Take the disk's blocks for `size` more bytes. Raises `OSError`."""
        self._prepare(self.end + size)

    def records(self) -> Iterator[tuple[bytes, bytes]]:
        """Id and blob of each record, in order; one that was damaged on the disk is left out, and told of."""
        for record_id, blob, is_whole, _ in self._scan(self.end):
            if is_whole:
                yield record_id, blob
            else:
                metrics().integrity_errors.labels(kind="spool").inc()
                log.error("audit_spool_damaged", file=self.path.name)

    def remove(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of the file, and of its lock."""
        self._let_go()

    def _prepare(self, size: int) -> None:
        while self._prepared < size:
            _write_all(self._descriptor, bytes(_STEP_BYTES), self._prepared)
            self._prepared += _STEP_BYTES

    def _find_end(self) -> None:
        """The end of the last whole record: a record behind a damaged one still counts, a torn tail does not."""
        header = os.pread(self._descriptor, _HEADER_BYTES, 0)
        self._seed = zlib.crc32(header[len(_MAGIC) :])
        # A worker that died while it made the file has left zeros.
        self.is_known = header.startswith(_MAGIC) or not any(header)
        if header.startswith(_MAGIC):
            size = os.fstat(self._descriptor).st_size
            self.end = max((end for *_, is_whole, end in self._scan(size) if is_whole), default=_HEADER_BYTES)

    def _scan(self, end: int) -> Iterator[tuple[bytes, bytes, bool, int]]:
        """Id, blob, whether they are whole, and where they end.

        Behind a record that is not whole its length is worth nothing either: the next whole one is looked for.
        """
        start = _HEADER_BYTES
        with os.fdopen(os.dup(self._descriptor), "rb", buffering=_STEP_BYTES) as file:
            while start + _RECORD.size < end:
                found = self._record_at(file, start, end)
                if found is not None:
                    start = found[2]
                    yield found[0], found[1], True, start
                    continue
                following = self._next_whole(file, start + 1, end)
                if following is None and not any(_read_at(file, start, _RECORD.size)):
                    return
                yield b"", b"", False, start
                if following is None:
                    return
                start = following

    def _record_at(self, file: BinaryIO, start: int, end: int) -> tuple[bytes, bytes, int] | None:
        """Id, blob and end of the record that starts here; None where there is no whole one."""
        length, checksum, record_id = _RECORD.unpack(_read_at(file, start, _RECORD.size))
        stop = start + _RECORD.size + length
        if not 0 < length <= _BLOB_MOST_BYTES or stop > end:
            return None
        blob = file.read(length)
        is_whole = zlib.crc32(blob, zlib.crc32(record_id, self._seed)) == checksum
        return (record_id, blob, stop) if is_whole else None

    def _next_whole(self, file: BinaryIO, start: int, end: int) -> int | None:
        """Where the first whole record from `start` on begins."""
        while start + _RECORD.size < end:
            # Pages overlap by a header, so that none is cut in two.
            page = _read_at(file, start, min(_STEP_BYTES + _RECORD.size, end - start))
            place = 0
            while (likely := _LIKELY.search(page, place)) is not None:
                place = likely.start() + 1
                if self._record_at(file, start + likely.start(), end) is not None:
                    return start + likely.start()
            start += _STEP_BYTES
        return None


class Spool:
    """This process's files, and what others have left behind. Nothing is opened before the first record."""

    def __init__(self, directory: Path, most_bytes: int) -> None:
        self._directory = directory
        self._most_bytes = most_bytes
        self._gathering = threading.Lock()
        self._writing = threading.Lock()
        self._batch = Batch()
        self._current: SpoolFile | None = None
        self._spare: SpoolFile | None = None
        self._closed: list[SpoolFile] = []
        self._foreign: set[Path] = set()

    def append(self, record_id: bytes, blob: SealedBlob) -> Batch:
        """Store one record; when this returns it is on the disk, unless its receipt is held (see `receipts.py`).

        Raises `AuditUnavailable`.
        """
        if len(blob) > _BLOB_MOST_BYTES:
            log.error("audit_record_too_large", bytes=len(blob))
            raise AuditUnavailable("The record of this read is too large for the audit, so it is not answered.")
        with self._gathering:
            batch = self._batch
            batch.records.append((record_id, blob))
            batch.size += _RECORD.size + len(blob)
            leads = len(batch.records) == 1
        if leads:
            with self._writing:
                # The disk is free: whoever has come until now is written together with this.
                with self._gathering:
                    self._batch = Batch()
                self._write(batch)
        elif is_held(batch):
            return batch
        if not batch.wait():
            raise AuditUnavailable()
        return batch

    def take(self) -> list[SpoolFile]:
        """The files to drain: of this process. Give each back by `drained`."""
        with self._writing:
            has_room = len(self._closed) < _CLOSED_MOST
            if has_room and self._current is not None and self._current.end > _HEADER_BYTES:
                self._closed.append(self._current)
                self._current, self._spare = self._spare, None
            return list(self._closed)

    def drained(self, file: SpoolFile) -> None:
        """All that a file held is stored elsewhere."""
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
        """Files of workers that have died. Remove each when it is drained, or close it."""
        own = {file.path for file in (self._current, self._spare, *self._closed) if file is not None}
        for path in sorted(self._directory.glob(f"*{_SUFFIX}")):
            if path in own or path in self._foreign or (file := SpoolFile.adopt(path)) is None:
                continue
            if file.is_known:
                yield file
                continue
            # The release that knows the format brings it in. Deleting it here would lose reads.
            file.close()
            self._foreign.add(path)
            log.warning("audit_spool_of_newer_release", file=path.name)

    def set_aside(self, record_id: bytes, blob: bytes, reason: str) -> None:
        """Keep a record that nothing can be done with in a file of its own, so that the others are drained.

        Raises `OSError` where it cannot be kept.
        """
        folder = self._directory / SET_ASIDE
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{uuid.UUID(bytes=record_id)}.record"
        with suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_DSYNC, 0o600)
            try:
                _write_all(descriptor, blob, 0)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
            finally:
                os.close(descriptor)
            _sync_directory(folder)
            metrics().spool_set_aside.inc()
            log.error("audit_record_set_aside", file=path.name, reason=reason)

    def make_room(self) -> None:
        """Take the disk's blocks for the next records, as writing them would. Raises `OSError`."""
        with self._writing:
            if self.waiting_bytes() + _ROOM_BYTES > self._most_bytes:
                raise OSError(errno.ENOSPC, "The spool is full.")
            if self._current is None:
                self._current = SpoolFile.create(self._directory)
            self._current.make_room(_ROOM_BYTES)

    def waiting_bytes(self) -> int:
        """How much lies here that is not in the database yet, to the last batch."""
        return sum(file.end for file in (self._current, *self._closed) if file is not None)

    def close(self) -> None:
        """Let go of all files; what is empty is deleted, and what is not will be found by the next worker."""
        for file in (self._current, self._spare, *self._closed):
            if file is not None and file.end == _HEADER_BYTES:
                file.remove()
            elif file is not None:
                file.close()
        self._current, self._spare, self._closed = None, None, []

    def _write(self, batch: Batch) -> None:
        is_stored = False
        try:
            if self.waiting_bytes() + batch.size > self._most_bytes:
                raise OSError(errno.ENOSPC, "The spool is full.")
            if self._current is None:
                self._current = SpoolFile.create(self._directory)
            self._current.write(batch.records)
            is_stored = True
        except OSError as error:
            self._set_aside()
            log.error("audit_spool_failed", error=str(error))  # noqa: TRY400 - the system's own sentence says it all.
        finally:
            batch.settle(is_stored=is_stored)

    def _set_aside(self) -> None:
        """Write no more to a file that has failed; what it holds is drained all the same."""
        if self._current is not None and not self._current.is_sound:
            self._closed.append(self._current)
            self._current = None


def _read_at(file: BinaryIO, start: int, size: int) -> bytes:
    file.seek(start)
    return file.read(size)


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
