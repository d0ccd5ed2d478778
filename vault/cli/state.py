"""Small JSON files of this user that last between calls: tokens, authorities, trusted projects."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from vault.cli.config import xdg_folder
from vault.cli.files import write_private
from vault.errors import SettingsError


def state_path(name: str) -> Path:
    """Return the path of the file `name`."""
    return xdg_folder(os.environ, "XDG_STATE_HOME", ".local/state") / name


def read_state(name: str, kind: str, advice: str) -> dict[str, str]:
    """Return the texts in the file `name`, or none if it does not exist.

    `kind` is what a message calls the file; `advice` is what to do if others can read or write it. Raises
    `SettingsError`.
    """
    path = state_path(name)
    content = read_private(path, kind, advice)
    if content is None:
        return {}
    try:
        data = json.loads(content)
    except ValueError as error:
        raise SettingsError(f"The {kind} {path} is damaged. Delete it and log in again.") from error
    return data if isinstance(data, dict) else {}


def read_private(path: Path, kind: str, advice: str) -> bytes | None:
    """Return the content of a file that only this user can read, or None if it does not exist. Raises `SettingsError`
    for a link, and for a file of another user or that others can read.
    """
    try:
        # O_NONBLOCK, because opening a pipe would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(f"The {kind} {path} cannot be opened: {error.strerror}.") from error
    try:
        facts = os.fstat(descriptor)
        if facts.st_uid != os.geteuid() or stat.S_IMODE(facts.st_mode) & 0o077:
            raise SettingsError(f"The {kind} {path} can be read by others. {advice}")
        if not stat.S_ISREG(facts.st_mode):
            raise SettingsError(f"The {kind} {path} is not a regular file. {advice}")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def write_state(name: str, data: Mapping[str, str]) -> None:
    """Replace the file `name`."""
    path = state_path(name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, json.dumps(data, indent=1), replace=True)
