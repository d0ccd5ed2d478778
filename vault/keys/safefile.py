"""Reads and replaces a file that no other user may read, in a directory that no other user may write to.

All operations use the open directory, so that the path cannot be redirected between a check and its use.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from vault.errors import KeyringError

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600
MAXIMUM_BYTES = 1024 * 1024
_OTHERS = 0o077
_OPEN = os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class FileKind:
    """What kind of file it is, for error messages."""

    name: str
    setting: str
    holds: str
    lost: str


KEYRING = FileKind("keyring", "STRONGROOM_KEYRING", "the master key", "nothing in this vault can be opened")


def fingerprint(path: Path) -> tuple[int, int, int, int]:
    """Return values that change when the file is replaced or rewritten, or its mode changes. Raises `OSError`."""
    found = os.stat(path, follow_symlinks=False)  # noqa: PTH116 - a quarter of the time, and asked at each unwrap.
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def make_directory(path: Path, kind: FileKind = KEYRING) -> None:
    """Make the directory with mode 0700 if it is missing, and its missing parents. Raises `KeyringError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            path.mkdir(mode=DIRECTORY_MODE)
    except OSError as error:
        raise KeyringError(f"The {kind.name} directory {path} cannot be created: {error.strerror}.") from error


@contextmanager
def opened_directory(path: Path, kind: FileKind = KEYRING) -> Iterator[int]:
    """Yield a descriptor of the directory, which only this user may write to. Raises `KeyringError`."""
    try:
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _OPEN)
    except OSError as error:
        raise KeyringError(_why_not(path, error, "directory", kind)) from error
    try:
        _check_owner_and_mode(path, os.fstat(directory), "directory", DIRECTORY_MODE, kind)
        yield directory
    finally:
        os.close(directory)


def read(path: Path, kind: FileKind = KEYRING) -> bytes:
    """Return the whole file, after checking directory and file. Raises `KeyringError`."""
    with opened_directory(path.parent, kind) as directory:
        return _read_in(directory, path, kind)


def write_new(path: Path, content: bytes, kind: FileKind = KEYRING) -> None:
    """Create the file. Raises `FileExistsError` if the path exists, even as an empty file: it is never replaced."""
    with opened_directory(path.parent, kind) as directory:
        temporary = _write_temporary(directory, path.name, content)
        try:
            # Use a link: a rename would replace a file that was created a moment ago.
            os.link(temporary, path.name, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
        finally:
            os.unlink(temporary, dir_fd=directory)
        os.fsync(directory)


def replace(path: Path, content: bytes) -> None:
    """Replace the file. A crash at any moment leaves either the old file or the new one."""
    with opened_directory(path.parent) as directory:
        temporary = _write_temporary(directory, path.name, content)
        try:
            os.replace(temporary, path.name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            os.unlink(temporary, dir_fd=directory)
            raise
        os.fsync(directory)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file beside `path`, against other processes and other threads."""
    flags = os.O_RDWR | os.O_CREAT | _OPEN
    with opened_directory(path.parent) as directory:
        descriptor = os.open(path.name + ".lock", flags, FILE_MODE, dir_fd=directory)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _sweep(directory, path.name)
            yield
        finally:
            os.close(descriptor)


def _read_in(directory: int, path: Path, kind: FileKind) -> bytes:
    try:
        # Without O_NONBLOCK, a FIFO at this path would block forever.
        descriptor = os.open(path.name, os.O_RDONLY | os.O_NONBLOCK | _OPEN, dir_fd=directory)
    except OSError as error:
        raise KeyringError(_why_not(path, error, "file", kind)) from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > MAXIMUM_BYTES:
            raise KeyringError(
                f"The {kind.name} {path} is not a regular file, or is too large. Restore it from its backup."
            )
        _check_owner_and_mode(path, found, "file", FILE_MODE, kind)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def _check_owner_and_mode(path: Path, found: os.stat_result, what: str, mode: int, kind: FileKind) -> None:
    if found.st_uid != os.geteuid():
        raise KeyringError(
            f"The {kind.name} {what} {path} belongs to the user id {found.st_uid}, and this process runs "
            f"as the user id {os.geteuid()}. Run as its owner, or change the owner with chown."
        )
    if stat.S_IMODE(found.st_mode) & _OTHERS:
        raise KeyringError(
            f"The {kind.name} {what} {path} is open to other users (mode {stat.S_IMODE(found.st_mode):04o}). "
            f"Others may have copied {kind.holds}. Close it with: chmod {mode:04o} {path}"
        )


def _why_not(path: Path, error: OSError, what: str, kind: FileKind) -> str:
    if error.errno == errno.ENOENT:
        return (
            f"The {kind.name} {what} {path} is missing. Restore it from its backup, or set {kind.setting} to its path; "
            f"without it {kind.lost}."
        )
    # For a symbolic link to a directory Linux returns ENOTDIR; for one to a file the BSDs return EMLINK or EFTYPE.
    if path.is_symlink():
        return (
            f"The {kind.name} {what} {path} is a symbolic link, which another user could redirect. "
            f"Set {kind.setting} to the file itself."
        )
    return f"The {kind.name} {what} {path} cannot be opened: {error.strerror}."


def _write_temporary(directory: int, name: str, content: bytes) -> str:
    temporary = f".{name}.{secrets.token_hex(8)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN
    descriptor = os.open(temporary, flags, FILE_MODE, dir_fd=directory)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        os.unlink(temporary, dir_fd=directory)
        raise
    return temporary


def _sweep(directory: int, name: str) -> None:
    """Remove temporary files of a killed process. The caller holds the lock, so no other process is writing."""
    for entry in os.listdir(directory):
        if entry.startswith(f".{name}.") and entry.endswith(".tmp"):
            os.unlink(entry, dir_fd=directory)
