"""The command's settings, in this order: flag, environment, project file, user config, default.

The project file is `.strongroom.toml` in the current folder or a folder above it. It must not contain a token, because
projects are committed. It also cannot redirect a token, although everyone who edits the project can edit it: stored
tokens belong to the address of the server that gave them, and a token or password in the environment is never sent to
an address that only the project file names. A file that belongs to another user is refused.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vault.client.client import DEFAULT_URL
from vault.errors import SettingsError

PROJECT_FILE = ".strongroom.toml"

_PROJECT_KEYS = frozenset({"url", "environment", "ca_file"})
_USER_KEYS = _PROJECT_KEYS | {"format"}
_TRUSTED_OWNERS = frozenset({os.geteuid(), 0})
_ENVIRONMENT = {"url": "STRONGROOM_URL", "environment": "STRONGROOM_ENVIRONMENT", "ca_file": "STRONGROOM_CA_FILE"}


@dataclass(frozen=True, slots=True)
class CliSettings:
    """The settings of one run. `environment` is "" and `ca_file` is None if nothing sets them."""

    url: str = DEFAULT_URL
    ca_file: str | None = None
    environment: str = ""
    format: str = "table"
    url_is_the_projects: bool = False
    """Whether only the project file names this address. Then no credential from the environment is sent to it."""


def load(flags: Mapping[str, str], environ: Mapping[str, str], folder: Path) -> CliSettings:
    """Read the settings for a command that runs in `folder`. Raises `SettingsError`, which names the unusable file."""
    user_file = user_config(environ)
    own = _read(user_file, _USER_KEYS) if user_file.is_file() else {}
    project_file = find_project_file(folder)
    project = _read(project_file, _PROJECT_KEYS) if project_file is not None else {}
    given = {key: environ[name] for key, name in _ENVIRONMENT.items() if environ.get(name)}
    given |= {key: flags[key] for key in ("url", "ca_file", "format") if key in flags}
    address = (given.get("url") or project.get("url") or own.get("url") or DEFAULT_URL).rstrip("/")
    is_the_projects = "url" in project and not _is_told(address, given, own)
    if _is_told(address, given, own) and not _is_told(address, project):
        # The project's authority must not be used for a server that the project did not name.
        project.pop("ca_file", None)
    found = own | project | given | {"url": address}
    return CliSettings(**found, url_is_the_projects=is_the_projects)


def _is_told(address: str, *sources: Mapping[str, str]) -> bool:
    return any(source.get("url", "").rstrip("/") == address for source in sources)


def user_config(environ: Mapping[str, str]) -> Path:
    """Return the path of the user's own file: `STRONGROOM_CONFIG`, or `strongroom/config.toml` in the XDG folder."""
    if environ.get("STRONGROOM_CONFIG"):
        return Path(environ["STRONGROOM_CONFIG"])
    return xdg_folder(environ, "XDG_CONFIG_HOME", ".config") / "config.toml"


def xdg_folder(environ: Mapping[str, str], variable: str, default: str) -> Path:
    """Return our folder in one of the XDG base directories. XDG paths that are not absolute are ignored."""
    base = environ.get(variable, "")
    root = Path(base) if base.startswith("/") else Path(environ.get("HOME") or Path.home(), default)
    return root / "strongroom"


def find_project_file(folder: Path) -> Path | None:
    """Return the nearest project file, from `folder` upwards."""
    for place in (folder, *folder.parents):
        path = place / PROJECT_FILE
        if path.is_file():
            return path
    return None


def _read(path: Path, known: frozenset[str]) -> dict[str, str]:
    # Import here, because most calls find no file.
    import tomllib

    try:
        owner = path.stat().st_uid
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        # A TOML error is a ValueError and names a line. It quotes at most one character.
        raise SettingsError(f"The file {path} cannot be read: {error}.") from error
    if owner not in _TRUSTED_OWNERS:
        raise SettingsError(
            f"The file {path} belongs to another user, who could redirect your secrets. Change its owner."
        )
    if "token" in data:
        raise SettingsError(
            f"The file {path} contains a token. Project files must not contain tokens. "
            "Remove it, and revoke it if others could read it. Then use 'strongroom login' or STRONGROOM_TOKEN."
        )
    found: dict[str, str] = {}
    for key, value in data.items():
        if key not in known:
            raise SettingsError(f"The file {path} has the unknown key '{key}'. Known keys: {', '.join(sorted(known))}.")
        if not isinstance(value, str):
            raise SettingsError(f"In the file {path}, {key} must be a text in quotes.")
        found[key] = value
    if found.get("format", "table") not in ("table", "json", "yaml"):
        raise SettingsError(f"In the file {path}, format must be table, json or yaml.")
    if "ca_file" in found:
        found["ca_file"] = str(path.parent / Path(found["ca_file"]).expanduser())
    return found
