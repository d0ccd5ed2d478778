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
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"The {kind} {path} cannot be opened: {error.strerror}.") from error
    with os.fdopen(descriptor, encoding="utf-8") as file:
        facts = os.fstat(file.fileno())
        if facts.st_uid != os.geteuid() or stat.S_IMODE(facts.st_mode) & 0o077:
            raise SettingsError(f"The {kind} {path} can be read by others. {advice}")
        try:
            data = json.load(file)
        except ValueError as error:
            raise SettingsError(f"The {kind} {path} is damaged. Delete it and log in again.") from error
    return data if isinstance(data, dict) else {}


def write_state(name: str, data: Mapping[str, str]) -> None:
    """Replace the file `name`."""
    path = state_path(name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, json.dumps(data, indent=1), replace=True)
