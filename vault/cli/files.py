"""Reads and writes files that must be safe: secrets with mode 0600, and settings that no other user wrote."""

from __future__ import annotations

import grp
import os
import pwd
import secrets
import shlex
import stat
import sys
from pathlib import Path

from vault.cli.words import CliError
from vault.errors import SettingsError

_TRUSTED_OWNERS = frozenset({os.geteuid(), 0})


def write_private(path: Path, text: str, *, replace: bool) -> None:
    """Write `text` to `path`, readable only by its owner. Raises `CliError` if the path exists, unless `replace` is
    set.

    With `replace`, the old file stays complete until the new one is.
    """
    target = path.with_name(f".{path.name}.{secrets.token_hex(4)}") if replace else path
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise already_exists(path) from error
    except OSError as error:
        raise CliError(f"The file {path} cannot be written: {error.strerror}.") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        if replace:
            target.replace(path)
    except OSError as error:
        target.unlink(missing_ok=True)
        raise CliError(f"The file {path} cannot be written: {error.strerror}.") from error


def already_exists(path: Path) -> CliError:
    """Return the error for a file that would be replaced."""
    return CliError(f"The file {path} already exists. Use --force to replace it.")


def read_text(place: str) -> str:
    """Return the text of a file, or of stdin for `-`, with its line ends unchanged. Raises `CliError`."""
    try:
        return read_bytes(place).decode()
    except UnicodeDecodeError as error:
        raise CliError(f"{_shown(place)} is not UTF-8 text (byte {error.start}).") from error


def read_bytes(place: str, *, at_most: int | None = None) -> bytes:
    """Return the bytes of a file, or of stdin for `-`. Raises `CliError`, also for more than `at_most` bytes."""
    limit = -1 if at_most is None else at_most + 1
    try:
        if place == "-":
            data = sys.stdin.buffer.read(limit)
        else:
            with Path(place).open("rb") as file:
                data = file.read(limit)
    except OSError as error:
        raise CliError(f"The file {_shown(place)} cannot be read: {error.strerror}.") from error
    if at_most is not None and len(data) > at_most:
        raise CliError(f"{_shown(place)} is larger than {at_most // 2**20} MiB, which no server accepts.")
    return data


def read_settings_file(path: Path, *, at_most: int) -> bytes:
    """Return the content of a file of settings. Raises `SettingsError` if it cannot be read, is too large, belongs to
    another user than this one and root, or if others can write to it or put another file in its place.

    Owner and content come from one descriptor: the name may stand for another file a moment later.
    """
    try:
        # O_NONBLOCK, because opening a pipe would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            facts = os.fstat(file.fileno())
            # In a folder that all may write to, another user's link could stand for a file of this user's.
            owners = {facts.st_uid, os.lstat(path).st_uid}
            data = file.read(at_most + 1) if stat.S_ISREG(facts.st_mode) else None
    except OSError as error:
        raise SettingsError(f"The file {path} cannot be read: {error.strerror}.") from error
    if data is None:
        raise SettingsError(f"The file {path} cannot be read: it is not a regular file.")
    if not owners <= _TRUSTED_OWNERS:
        raise SettingsError(
            f"The file {path} belongs to another user, who could redirect your secrets. Change its owner."
        )
    if _others_may_write(facts):
        raise SettingsError(
            f"Other users can write to the file {path}, and could redirect your secrets. "
            f"Use: chmod go-w {shlex.quote(str(path))}"
        )
    _check_folders(path)
    if len(data) > at_most:
        raise SettingsError(f"The file {path} is larger than {at_most // 1024} KiB.")
    return data


def _check_folders(path: Path) -> None:
    """Raise `SettingsError` if others can write to the folder of a settings file, or of the file behind a link."""
    for folder in dict.fromkeys((path.parent.absolute(), Path(os.path.realpath(path)).parent)):
        if _others_may_write(folder.stat()):
            raise SettingsError(
                f"Other users can write to the folder {folder}. They could replace {path.name} in it, and so "
                f"redirect your secrets. Use: chmod go-w {shlex.quote(str(folder))}"
            )


def _others_may_write(facts: os.stat_result) -> bool:
    """Report whether others than the owner may write a file, or replace the files in a folder."""
    if stat.S_ISDIR(facts.st_mode) and facts.st_mode & stat.S_ISVTX:
        # In a folder such as /tmp, only the owner of a file can replace it.
        return False
    if facts.st_mode & stat.S_IWOTH:
        return True
    return bool(facts.st_mode & stat.S_IWGRP) and not _is_own_group(facts.st_gid)


def _is_own_group(group_id: int) -> bool:
    """Report whether nobody else is in a group. Many systems give each user such a group, and let it write."""
    try:
        group, user = grp.getgrgid(group_id), pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}


def _shown(place: str) -> str:
    return "stdin" if place == "-" else place
