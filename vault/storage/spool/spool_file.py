"""One file of the spool: sealed records, each with a checksum, appended and synced.

    file   = "SRMSPL1\\n" ‖ epoch (8) ‖ record … ‖ zeros
    record = u32 length of the blob ‖ u32 CRC-32 of epoch ‖ id ‖ blob ‖ id (16) ‖ blob

A drained file gets a new epoch, which makes its old records invalid, and is written from its start again.
Its blocks are already allocated, so a record costs one write that changes no metadata.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import struct
import weakref
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import structlog

from vault.crypto import SealedBlob
from vault.observe import metrics

log = structlog.get_logger(__name__)

_MAGIC = b"SRMSPL1\n"
_EPOCH_BYTES = 8
HEADER_BYTES = len(_MAGIC) + _EPOCH_BYTES
RECORD = struct.Struct(">II16s")
BLOB_MOST_BYTES = (64 << 10) - 1
"""The longest blob that is written. An event has at most 20 KiB. A longer record behind a damaged one would never be
found, because the search judges a record by its length field.
"""
_READ_MOST_BYTES = 1 << 20
"""The longest blob that is read: earlier releases wrote longer ones."""
_STEP_BYTES = 1 << 20
"""A file grows in steps of a mebibyte of zeros, for about three thousand reads."""
_KEPT_BYTES = 8 * _STEP_BYTES
"""A file that has grown beyond this is cut to this size when it starts again."""
SUFFIX = ".spool"
_LIKELY = re.compile(rb"\x00\x00(?:\x00[^\x00]|[^\x00].).{20}", re.DOTALL)
"""Bytes that may start a record of less than 64 KiB, judged by its length field."""
_PAGE_BYTES = 64 << 10
_WORK_MOST = 6 << 30
"""The cost limit for all searches through one file, about five seconds. A restarted file with 8 MiB of old records
costs up to 3.5 GiB: each old record looks like two, one of them about 60 KiB long. A file that needs more was made to
waste time.
"""
_WORK_OF_BYTE = 32
_WORK_OF_TRY = 8192
"""The cost of searching one byte, and of trying a possible start of a record. Hashing one byte costs 1."""


class RecordTooLarge(OSError):
    """A record that could not be read again, so it is not written."""


class _TooDamaged(Exception):
    """The search found no whole record within its cost limit."""


class SpoolFile:
    """One file of records."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.end = HEADER_BYTES
        """The position after the last record that is safely on the disk."""
        self.is_sound = True
        self.is_new = True
        """Whether no worker has tried to drain the file yet."""
        self.is_known = True
        """Whether the file has this format, or is empty. Any other file is a newer release's."""
        self._descriptor = descriptor
        # A file that is not closed is released with its object. Another worker then finds and drains it.
        self._let_go = weakref.finalize(self, os.close, descriptor)
        self._prepared = 0
        self._seed = 0
        self._work = 0

    @classmethod
    def create(cls, directory: Path) -> SpoolFile:
        """Create a file, locked by this process. Raises `OSError`."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = secrets.token_hex(16)
        hidden = directory / f".{name}.new"
        descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_DSYNC | os.O_NOFOLLOW, 0o600)
        made = cls(directory / f"{name}{SUFFIX}", descriptor)
        try:
            # Lock it before it gets its name, so that no other worker takes it for an abandoned file.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            made.restart()
            hidden.rename(made.path)
            sync_directory(directory)
        except BaseException:
            hidden.unlink(missing_ok=True)
            made.close()
            raise
        return made

    @classmethod
    def adopt(cls, path: Path) -> SpoolFile | None:
        """Lock and return a file of a dead worker; None if its worker lives or the file is gone."""
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
        except _TooDamaged:
            found.is_known = False
        return found

    def restart(self) -> None:
        """Start again: the old records become invalid. Raises `OSError`."""
        if os.fstat(self._descriptor).st_nlink == 0:
            raise FileNotFoundError(errno.ENOENT, "Somebody deleted the file.")
        if self._prepared > _KEPT_BYTES:
            os.ftruncate(self._descriptor, _STEP_BYTES)
            self._prepared = _STEP_BYTES
        epoch = secrets.token_bytes(_EPOCH_BYTES)
        self._prepare(HEADER_BYTES)
        write_all(self._descriptor, _MAGIC + epoch, 0)
        self._seed, self.end, self.is_new = zlib.crc32(epoch), HEADER_BYTES, True

    def write(self, records: list[tuple[bytes, SealedBlob]]) -> None:
        """Append records. They are on the disk when this returns. Raises `OSError`.

        If the length of one is not allowed, nothing is written, and it raises `RecordTooLarge`.
        """
        parts: list[bytes] = []
        for record_id, blob in records:
            require_length(blob)
            parts += (RECORD.pack(len(blob), zlib.crc32(blob, zlib.crc32(record_id, self._seed)), record_id), blob)
        data = b"".join(parts)
        try:
            self._prepare(self.end + len(data))
            write_all(self._descriptor, data, self.end)
        except OSError:
            # After a failed sync, the content of the disk is unknown, so write no more to this file.
            self.is_sound = False
            raise
        self.end += len(data)

    def make_room(self, size: int) -> None:
        """Allocate disk blocks for `size` more bytes. Raises `OSError`."""
        self._prepare(self.end + size)

    def records(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield id and blob of each record, in order. Damaged records are skipped and logged."""
        damaged = 0
        try:
            for record_id, blob, is_whole, _ in self._scan(self.end):
                if is_whole:
                    yield record_id, blob
                else:
                    damaged += 1
        except _TooDamaged:
            damaged += 1
        if damaged:
            metrics().integrity_errors.labels(kind="spool").inc(damaged)
            log.error("audit_spool_damaged", file=self.path.name, places=damaged)

    def remove(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)
        self.close()

    def move(self, folder: Path) -> None:
        """Move the file to a folder beside it, without the room for further records, and close it.

        Raises `OSError`. Then it may be called again.
        """
        folder.mkdir(mode=0o700, exist_ok=True)
        os.ftruncate(self._descriptor, self.end)
        target = folder / self.path.name
        try:
            self.path.rename(target)
        except FileNotFoundError:
            # An earlier call moved it, or somebody deleted it. Then only this process has its records.
            if not target.exists():
                self._copy(target)
        sync_directory(folder)
        self.close()

    def close(self) -> None:
        """Close the file and release its lock."""
        self._let_go()

    def _copy(self, target: Path) -> None:
        hidden = target.with_name(f".{target.name}.new")
        descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_DSYNC | os.O_NOFOLLOW, 0o600)
        try:
            for offset in range(0, self.end, _STEP_BYTES):
                size = min(_STEP_BYTES, self.end - offset)
                write_all(descriptor, os.pread(self._descriptor, size, offset), offset)
        finally:
            os.close(descriptor)
        hidden.rename(target)

    def _prepare(self, size: int) -> None:
        while self._prepared < size:
            write_all(self._descriptor, bytes(_STEP_BYTES), self._prepared)
            self._prepared += _STEP_BYTES

    def _find_end(self) -> None:
        """Find the end of the last whole record. A record after a damaged one counts; a torn end does not."""
        header = os.pread(self._descriptor, HEADER_BYTES, 0)
        self._seed = zlib.crc32(header[len(_MAGIC) :])
        # A worker that died while creating the file leaves zeros.
        self.is_known = header.startswith(_MAGIC) or not any(header)
        if header.startswith(_MAGIC):
            size = os.fstat(self._descriptor).st_size
            self.end = max((end for *_, is_whole, end in self._scan(size) if is_whole), default=HEADER_BYTES)

    def _scan(self, end: int) -> Iterator[tuple[bytes, bytes, bool, int]]:
        """Yield id and blob of each record, whether it is whole, and its end.

        The length field of a damaged record cannot be trusted, so this searches for the next whole record.
        """
        start, self._work = HEADER_BYTES, 0
        with os.fdopen(os.dup(self._descriptor), "rb", buffering=_STEP_BYTES) as file:
            while start + RECORD.size < end:
                found = self._record_at(file, start, end)
                if found is not None:
                    start = found[2]
                    yield found[0], found[1], True, start
                    continue
                following = self._next_whole(file, start + 1, end)
                if following is None and not any(_read_at(file, start, RECORD.size)):
                    return
                yield b"", b"", False, start
                if following is None:
                    return
                start = following

    def _record_at(self, file: BinaryIO, start: int, end: int) -> tuple[bytes, bytes, int] | None:
        """Return the id, blob and end of the record at `start`; None if there is no whole record."""
        length, checksum, record_id = RECORD.unpack(_read_at(file, start, RECORD.size))
        stop = start + RECORD.size + length
        if not 0 < length <= _READ_MOST_BYTES or stop > end:
            return None
        blob = file.read(length)
        is_whole = zlib.crc32(blob, zlib.crc32(record_id, self._seed)) == checksum
        return (record_id, blob, stop) if is_whole else None

    def _next_whole(self, file: BinaryIO, start: int, end: int) -> int | None:
        """Return the start of the first whole record at or after `start`. Raises `_TooDamaged`."""
        while start + RECORD.size < end:
            # Pages overlap by the size of a header, so that no header is missed.
            page = _read_at(file, start, min(_PAGE_BYTES + RECORD.size, end - start))
            self._spend(_WORK_OF_BYTE * len(page))
            place = 0
            while (likely := _LIKELY.search(page, place)) is not None:
                place = likely.start() + 1
                self._spend(_WORK_OF_TRY + int.from_bytes(likely[0][:4]))
                if self._record_at(file, start + likely.start(), end) is not None:
                    return start + likely.start()
            start += _PAGE_BYTES
        return None

    def _spend(self, work: int) -> None:
        self._work += work
        if self._work > _WORK_MOST:
            raise _TooDamaged


def require_length(blob: bytes) -> None:
    """Raise `RecordTooLarge` unless a record with this blob can be read again."""
    if not 0 < len(blob) <= BLOB_MOST_BYTES:
        raise RecordTooLarge(errno.EMSGSIZE, f"A record has {len(blob)} bytes. It may have 1 to {BLOB_MOST_BYTES}.")


def _read_at(file: BinaryIO, start: int, size: int) -> bytes:
    file.seek(start)
    return file.read(size)


def write_all(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of `data` at `offset`. Raises `OSError`."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def sync_directory(directory: Path) -> None:
    """Make the names in a folder durable. Raises `OSError`."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
