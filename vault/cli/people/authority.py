"""Which authorities vouch for the server: the first of these that is there.

    1. the user's own: --ca-file, STRONGROOM_CA_FILE, ca_file in the user's config
    2. the project file's ca_file, if `strongroom trust project` was given for this version of it, and for this server
    3. those that a login at this address was verified with: they are kept beside its token
    4. the project file's ca_file, if nothing is stored for this server, for a password that a person types
    5. the system's

Without rule 3, a project that somebody else edits could make an impostor of the server look right, and the command
would send it the stored token. An authority vouches for host and port: another spelling of the address, or another path
on the server, is the same server. A kept authority stays after a logout, because the next login would send a password.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from vault.cli.config import CliSettings, Project
from vault.cli.files import read_settings_file
from vault.cli.people import keychain
from vault.cli.state import read_state, write_state
from vault.cli.words import say
from vault.client import Authority
from vault.client.address import Address
from vault.errors import SettingsError

_AUTHORITIES = "authorities.json"
_TRUSTED = "trusted-projects.json"
_MOST_BYTES = 1024 * 1024


def choose(settings: CliSettings, *, credential_from_environment: bool = False) -> Authority | None:
    """Return the authorities for the server in the settings, or None for the system's. Raises `SettingsError`.

    Prints a warning if the project names another authority, which is not used.
    """
    if settings.ca_file is not None:
        return _read_own(settings.ca_file)
    project = settings.project
    offered = project if project is not None and project.ca_file is not None else None
    if offered is not None and offered.url in ("", settings.url):
        trusted = _trusted(offered, settings.url)
        if trusted is not None:
            return trusted
    kept = _kept(settings.url)
    if offered is None or not settings.project_names_url:
        return kept
    if kept is None and not credential_from_environment and not _is_known(settings.url):
        return _read_projects(offered)
    if kept is None or kept.pem != _read_projects(offered).pem:
        say(
            f"Warning: The ca_file in {offered.path} is not used, because this project is not trusted for a "
            f"credential of {settings.url}. If it is right, use: strongroom trust project"
        )
    return kept


def keep(url: str, authority: Authority | None) -> None:
    """Remember which authorities the login at `url` was verified with."""
    write_state(_AUTHORITIES, {**_read(_AUTHORITIES), _origin(url): "" if authority is None else authority.pem})


def trust(project: Project, url: str) -> None:
    """Trust this version of the project file and of the CA file that it names, for the server at `url`."""
    digest = _digest(project, _offered(project), url)
    write_state(_TRUSTED, {**_read(_TRUSTED), str(project.path): digest})


def forget_trust(project: Project) -> bool:
    """End the trust in the project file. Report whether there was any."""
    trusted = _read(_TRUSTED)
    if trusted.pop(str(project.path), None) is None:
        return False
    write_state(_TRUSTED, trusted)
    return True


def is_trusted(project: Project, url: str) -> bool:
    """Report whether the project file, and the CA file that it names, are as they were when they were trusted for the
    server at `url`.
    """
    known = _read(_TRUSTED).get(str(project.path))
    return known is not None and known == _digest(project, _offered(project), url)


def _trusted(project: Project, url: str) -> Authority | None:
    """Return the project's authority if it is trusted. The CA file is read once: it may be another a moment later."""
    known = _read(_TRUSTED).get(str(project.path))
    if known is None:
        return None
    offered = _offered(project)
    return offered if known == _digest(project, offered, url) else None


def _digest(project: Project, offered: Authority | None, url: str) -> str:
    authority = "" if offered is None else offered.pem
    parts = (project.content, authority.encode(), _origin(url).encode())
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def _offered(project: Project) -> Authority | None:
    return None if project.ca_file is None else _read_projects(project)


def _kept(url: str) -> Authority | None:
    pem = _read(_AUTHORITIES).get(_origin(url))
    return Authority(pem, f"the last login at {url}") if pem else None


def _is_known(url: str) -> bool:
    """Report whether a token is stored for this server, or was. Logins of 0.2.0 and before kept no authority."""
    return _origin(url) in _read(_AUTHORITIES) or keychain.has_any_of(url)


def _origin(url: str) -> str:
    return Address.parse(url, plain_http=True).origin


def _read(name: str) -> dict[str, str]:
    return read_state(name, "file", "Delete it and log in again.")


def _read_own(path: str) -> Authority:
    try:
        return _parsed(Path(path).read_bytes(), path)
    except OSError as error:
        raise SettingsError(f"The CA file {path} cannot be read: {error.strerror}.") from error


def _read_projects(project: Project) -> Authority:
    path = os.fspath(project.ca_file or "")
    return _parsed(read_settings_file(Path(path), at_most=_MOST_BYTES), path)


def _parsed(data: bytes, path: str) -> Authority:
    # PEM is ASCII; what stands between the certificates is a comment in any encoding.
    return Authority(data.decode(errors="replace"), path)
