"""Reads and writes files with secrets: mode 0600, and no overwriting by accident."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from vault.cli.words import CliError


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


def _shown(place: str) -> str:
    return "stdin" if place == "-" else place
