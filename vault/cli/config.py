"""Where the command's settings come from: flag > environment > project file > user config > default.

The project file, `.strongroom.toml`, lies in the project and is looked for upwards from where the command is
called. It never holds a token: it gets committed. Nor can it lead one astray, though whoever edits the project edits
it too: stored tokens are kept by the address of the server that gave them, and a token or password in the environment
goes to no address that the project file alone names. A file of another person's is refused.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vault.client.client import DEFAULT_URL
from vault.errors import SettingsError

PROJECT_FILE = ".strongroom.toml"

_PROJECT_KEYS = frozenset({"url", "environment", "ca_file"})
_USER_KEYS = _PROJECT_KEYS | {"format"}
_TRUSTED_OWNERS = frozenset({os.geteuid(), 0})
_ENVIRONMENT = {"url": "STRONGROOM_URL", "environment": "STRONGROOM_ENVIRONMENT", "ca_file": "STRONGROOM_CA_FILE"}


@dataclass(frozen=True, slots=True)
class CliSettings:
    """What holds for one run. `environment` is "" and `ca_file` None where nothing names one."""

    url: str = DEFAULT_URL
    ca_file: str | None = None
    environment: str = ""
    format: str = "table"
    url_is_the_projects: bool = False
    """Whether only the project file names this address: no credential of the environment's goes there."""


def load(flags: Mapping[str, str], environ: Mapping[str, str], folder: Path) -> CliSettings:
    """Gather the settings for a command that is called in `folder`. Raises `SettingsError` for a file that cannot
    be used, in a sentence that names it."""
    user_file = user_config(environ)
    own = _read(user_file, _USER_KEYS) if user_file.is_file() else {}
    project_file = find_project_file(folder)
    project = _read(project_file, _PROJECT_KEYS) if project_file is not None else {}
    given = {key: environ[name] for key, name in _ENVIRONMENT.items() if environ.get(name)}
    given |= {key: flags[key] for key in ("url", "ca_file", "format") if key in flags}
    address = (given.get("url") or project.get("url") or own.get("url") or DEFAULT_URL).rstrip("/")
    is_the_projects = "url" in project and not _is_told(address, given, own)
    if "url" in given and not _is_told(given["url"].rstrip("/"), project):
        # An authority that the project trusts may not vouch for a server that somebody else has named.
        project.pop("ca_file", None)
    found = own | project | given | {"url": address}
    return CliSettings(**found, url_is_the_projects=is_the_projects)


def _is_told(address: str, *sources: Mapping[str, str]) -> bool:
    return any(source.get("url", "").rstrip("/") == address for source in sources)


def user_config(environ: Mapping[str, str]) -> Path:
    """The user's own file: `STRONGROOM_CONFIG`, or `strongroom/config.toml` where XDG has it."""
    if environ.get("STRONGROOM_CONFIG"):
        return Path(environ["STRONGROOM_CONFIG"])
    return xdg_folder(environ, "XDG_CONFIG_HOME", ".config") / "config.toml"


def xdg_folder(environ: Mapping[str, str], variable: str, default: str) -> Path:
    """Our folder below one of the XDG base directories, which count only where they are absolute."""
    base = environ.get(variable, "")
    root = Path(base) if base.startswith("/") else Path(environ.get("HOME") or Path.home(), default)
    return root / "strongroom"


def find_project_file(folder: Path) -> Path | None:
    """The nearest project file, from `folder` upwards."""
    for place in (folder, *folder.parents):
        path = place / PROJECT_FILE
        if path.is_file():
            return path
    return None


def _read(path: Path, known: frozenset[str]) -> dict[str, str]:
    # Imported here because most calls find no file.
    import tomllib

    try:
        owner = path.stat().st_uid
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        # A TOML error is a ValueError and names a line; it quotes no more than a character.
        raise SettingsError(f"The file {path} cannot be read: {error}.") from error
    if owner not in _TRUSTED_OWNERS:
        raise SettingsError(f"The file {path} belongs to another user, who could send your secrets elsewhere.")
    if "token" in data:
        raise SettingsError(
            f"The file {path} holds a token, which is no place for one. "
            "Take it out, and revoke it if others could read it; then use 'strongroom login' or STRONGROOM_TOKEN."
        )
    for key, value in data.items():
        if key not in known:
            raise SettingsError(f"The file {path} holds '{key}'; known are {', '.join(sorted(known))}.")
        if not isinstance(value, str):
            raise SettingsError(f"In the file {path}, {key} is not a text in quotes.")
    if data.get("format", "table") not in ("table", "json", "yaml"):
        raise SettingsError(f"In the file {path}, format is one of table, json and yaml.")
    if "ca_file" in data:
        data["ca_file"] = str(path.parent / Path(data["ca_file"]).expanduser())
    return data
