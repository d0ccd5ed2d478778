"""Reading and replacing one file that nobody else may read, by a directory that nobody else may write to.

Everything is done through the open directory, so that the path cannot be led elsewhere between a check and its use.
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
class Kind:
    """What such a file is, for the sentences that say what is wrong with it."""

    name: str
    setting: str
    holds: str
    lost: str


KEYRING = Kind("keyring", "STRONGROOM_KEYRING", "the master key", "nothing in this vault can be opened")


def fingerprint(path: Path) -> tuple[int, int, int, int]:
    """What changes when a file is replaced, rewritten, or its mode changed. Raises `OSError`."""
    found = os.stat(path, follow_symlinks=False)  # noqa: PTH116 - a quarter of the time, and asked at each unwrap.
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def make_directory(path: Path, kind: Kind = KEYRING) -> None:
    """Make the directory with mode 0700 where it is missing, and those above it. Raises `KeyringError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            path.mkdir(mode=DIRECTORY_MODE)
    except OSError as error:
        raise KeyringError(f"The {kind.name} directory {path} cannot be made: {error.strerror}.") from error


@contextmanager
def opened_directory(path: Path, kind: Kind = KEYRING) -> Iterator[int]:
    """A descriptor of the directory, once it has proven to be ours alone. Raises `KeyringError`."""
    try:
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _OPEN)
    except OSError as error:
        raise KeyringError(_why_not(path, error, "directory", kind)) from error
    try:
        _check_owner_and_mode(path, os.fstat(directory), "directory", DIRECTORY_MODE, kind)
        yield directory
    finally:
        os.close(directory)


def read(path: Path, kind: Kind = KEYRING) -> bytes:
    """The whole file, once directory and file have proven to be ours alone. Raises `KeyringError`."""
    with opened_directory(path.parent, kind) as directory:
        return _read_in(directory, path, kind)


def write_new(path: Path, content: bytes, kind: Kind = KEYRING) -> None:
    """Make the file. Raises `FileExistsError` where there is one, in whatever state: it is never replaced."""
    with opened_directory(path.parent, kind) as directory:
        temporary = _write_temporary(directory, path.name, content)
        try:
            # A rename would replace what somebody put there a moment ago; a link does not.
            os.link(temporary, path.name, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
        finally:
            os.unlink(temporary, dir_fd=directory)
        os.fsync(directory)


def replace(path: Path, content: bytes) -> None:
    """Put a new file in the place of the old, so that a crash at any moment leaves the one or the other."""
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
    """Hold the lock file beside `path`, against other processes and against other threads of this one."""
    flags = os.O_RDWR | os.O_CREAT | _OPEN
    with opened_directory(path.parent) as directory:
        descriptor = os.open(path.name + ".lock", flags, FILE_MODE, dir_fd=directory)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _sweep(directory, path.name)
            yield
        finally:
            os.close(descriptor)


def _read_in(directory: int, path: Path, kind: Kind) -> bytes:
    try:
        # Without O_NONBLOCK, a FIFO put in the file's place would keep us waiting for ever.
        descriptor = os.open(path.name, os.O_RDONLY | os.O_NONBLOCK | _OPEN, dir_fd=directory)
    except OSError as error:
        raise KeyringError(_why_not(path, error, "file", kind)) from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > MAXIMUM_BYTES:
            raise KeyringError(f"The {kind.name} {path} is not a regular file of a {kind.name}'s size; restore it.")
        _check_owner_and_mode(path, found, "file", FILE_MODE, kind)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def _check_owner_and_mode(path: Path, found: os.stat_result, what: str, mode: int, kind: Kind) -> None:
    if found.st_uid != os.geteuid():
        raise KeyringError(
            f"The {kind.name} {what} {path} belongs to the user with the number {found.st_uid}, and this process runs "
            f"as {os.geteuid()}. Run as its owner, or change the owner with chown."
        )
    if stat.S_IMODE(found.st_mode) & _OTHERS:
        raise KeyringError(
            f"The {kind.name} {what} {path} is open to other users (mode {stat.S_IMODE(found.st_mode):04o}). "
            f"Whoever could read it may hold {kind.holds}. Close it with: chmod {mode:04o} {path}"
        )


def _why_not(path: Path, error: OSError, what: str, kind: Kind) -> str:
    if error.errno == errno.ENOENT:
        return (
            f"The {kind.name} {what} {path} is missing. Restore it from its backup, or point {kind.setting} at it; "
            f"without it {kind.lost}."
        )
    # Linux gives ENOTDIR for a symbolic link to a directory, the BSDs EMLINK or EFTYPE for one to a file.
    if path.is_symlink():
        return (
            f"The {kind.name} {what} {path} is a symbolic link, which somebody else could lead elsewhere. "
            f"Point {kind.setting} at the file itself."
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
    """Remove what a killed process left behind: under the lock, nobody else is writing."""
    for entry in os.listdir(directory):
        if entry.startswith(f".{name}.") and entry.endswith(".tmp"):
            os.unlink(entry, dir_fd=directory)
