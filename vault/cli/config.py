"""The command's settings, in this order: flag, environment, project file, user config, default.

The project file is `.strongroom.toml` in the current folder or a folder above it. It must not contain a token, because
projects are committed. It also cannot redirect a token, although everyone who edits the project can edit it: stored
tokens belong to the address of the server that gave them, and a token or password in the environment is never sent to
an address that only the project file names. Its `ca_file` is not used for a token either: people/authority.py says when
it counts. `strongroom trust project` lifts these rules for one version of the file. A file that belongs to another user
is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from vault.cli.files import read_settings_file
from vault.client.address import Address
from vault.client.defaults import DEFAULT_URL
from vault.errors import SettingsError
from vault.settings import check_variables
from vault.sources import filled

PROJECT_FILE = ".strongroom.toml"

_PROJECT_KEYS = frozenset({"url", "environment", "ca_file"})
_USER_KEYS = _PROJECT_KEYS | {"format"}
_MOST_BYTES = 64 * 1024
_ENVIRONMENT = {"url": "STRONGROOM_URL", "environment": "STRONGROOM_ENVIRONMENT", "ca_file": "STRONGROOM_CA_FILE"}


@dataclass(frozen=True, slots=True)
class Project:
    """The project file: its path, its content, and the path of the CA file that it names."""

    path: Path
    content: bytes
    url: str
    ca_file: str | None


@dataclass(frozen=True, slots=True)
class CliSettings:
    """The settings of one run. `environment` is "" and `ca_file` is None if nothing sets them."""

    url: str = DEFAULT_URL
    ca_file: str | None = None
    """The user's own choice: never the project's."""
    environment: str = ""
    format: str = "table"
    project: Project | None = None
    project_names_url: bool = False
    """Whether the address is the project file's, or is the default one and the project file names no other."""
    url_is_the_projects: bool = False
    """Whether only the project file names this address. Then no credential from the environment is sent to it."""

    def at(self, url: str, source: str) -> CliSettings:
        """Return the settings for a server that the user names. Raises `SettingsError`, which names the source."""
        _check_url(url, source)
        if url == self.url:
            return self
        return replace(self, url=url, project_names_url=False, url_is_the_projects=False)


def load(flags: Mapping[str, str], environ: Mapping[str, str], folder: Path) -> CliSettings:
    """Read the settings for a command that runs in `folder`. Raises `SettingsError`, which names the unusable file."""
    check_variables(environ)
    user_file = user_config(environ)
    # A file that was named and is not there must not be taken for none: it may name the server and its authority.
    is_there = "STRONGROOM_CONFIG" in environ or user_file.is_file()
    own = _parse(user_file, _content(user_file), _USER_KEYS) if is_there else {}
    project = _read_project(folder)
    given = {key: environ[name] for key, name in _ENVIRONMENT.items() if name in environ}
    given |= {key: flags[key] for key in ("url", "ca_file", "format") if key in flags}
    theirs = {} if project is None else _parse(project.path, project.content, _PROJECT_KEYS)
    # The project's authority is no setting of the user's.
    theirs.pop("ca_file", None)
    address = (given.get("url") or theirs.get("url") or own.get("url") or DEFAULT_URL).rstrip("/")
    _check_url(address, _source_of_url(flags, environ, project if "url" in theirs else None, user_file))
    is_told = _is_told(address, given, own)
    found = own | theirs | given | {"url": address}
    return CliSettings(
        **found,
        project=project,
        project_names_url=_is_told(address, theirs) or not (is_told or "url" in theirs),
        url_is_the_projects="url" in theirs and not is_told,
    )


def _source_of_url(flags: Mapping[str, str], environ: Mapping[str, str], project: Project | None, own: Path) -> str:
    if "url" in flags:
        return "--url"
    if "STRONGROOM_URL" in environ:
        return "STRONGROOM_URL"
    return f"The url in the file {own if project is None else project.path}"


def _check_url(address: str, source: str) -> None:
    """Raise `SettingsError` that names the source of the address, before a credential is looked for."""
    if address.lower().startswith("http://"):
        raise SettingsError(
            f"{source} starts with http://, but the command uses only https://, so that nobody on the way reads the "
            "values. Use the server's address with https://."
        )
    try:
        Address.parse(address, plain_http=False)
    except SettingsError as error:
        raise SettingsError(f"{source} cannot be used. {error.message}") from error


def _is_told(address: str, *sources: Mapping[str, str]) -> bool:
    return any(source.get("url", "").rstrip("/") == address for source in sources)


def user_config(environ: Mapping[str, str]) -> Path:
    """Return the path of the user's own file: `STRONGROOM_CONFIG`, or `strongroom/config.toml` in the XDG folder."""
    if "STRONGROOM_CONFIG" in environ:
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


def _read_project(folder: Path) -> Project | None:
    path = find_project_file(folder)
    if path is None:
        return None
    content = _content(path)
    found = _parse(path, content, _PROJECT_KEYS)
    return Project(path, content, found.get("url", "").rstrip("/"), found.get("ca_file"))


def _content(path: Path) -> bytes:
    return read_settings_file(path, at_most=_MOST_BYTES)


def _parse(path: Path, content: bytes, known: frozenset[str]) -> dict[str, str]:
    # Import here, because most calls find no file.
    import tomllib

    try:
        data = tomllib.loads(content.decode())
    except ValueError as error:
        # A TOML error is a ValueError and names a line. It quotes at most one character.
        raise SettingsError(f"The file {path} cannot be read: {error}.") from error
    except RecursionError:
        raise SettingsError(f"The file {path} cannot be read: its values are nested too deeply.") from None
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
        found[key] = filled(value, f"In the file {path}, {key}")
    if found.get("format", "table") not in ("table", "json", "yaml"):
        raise SettingsError(f"In the file {path}, format must be table, json or yaml.")
    if "ca_file" in found:
        found["ca_file"] = str(path.parent / Path(found["ca_file"]).expanduser())
    return found
