"""Environment variables → one frozen `Settings`. Every name starts with `STRONGROOM_`.

A setting that holds a secret may be given as `NAME_FILE` too: a path whose content is the value, less one
trailing newline. Giving both is an error, because nobody could tell which one was meant.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from vault.errors import SettingsError

PREFIX = "STRONGROOM_"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Settings:
    """How one vault is run. Durations carry their unit in the name; sizes are bytes."""

    data_dir: Path
    keyring: Path
    # Both may hold a password, and a repr ends up in tracebacks.
    database_url: str = field(repr=False)
    redis_url: str = field(default="", repr=False)
    bind: str = "127.0.0.1:8443"
    metrics_bind: str = ""
    workers: int = 2
    threads: int = 4
    login_threads: int = 2
    tls_cert: Path | None = None
    tls_key: Path | None = None
    plain_http: bool = False
    trusted_proxies: tuple[Network, ...] = ()
    max_connections: int = 2000
    max_requests_in_flight: int = 64
    body_timeout_seconds: float = 15.0
    handshake_timeout_seconds: float = 5.0
    header_timeout_seconds: float = 5.0
    graceful_timeout_seconds: int = 30
    buffered_bytes: int = 64 * 1024 * 1024
    session_idle_seconds: int = 30 * 60
    session_absolute_seconds: int = 12 * 3600
    argon2_memory_kib: int = 64 * 1024
    argon2_passes: int = 3
    argon2_lanes: int = 1
    key_cache_seconds: int = 300
    quota_environments: int = 1000
    quota_tokens: int = 1000
    quota_bytes: int = 256 * 1024 * 1024
    purge_after_days: int = 30
    security_contact: str = ""
    log_level: str = "info"
    log_format: str = "json"

    @property
    def embedded(self) -> bool:
        """Whether the database is the built-in SQLite file, which `serve` may set up and upgrade by itself."""
        return self.database_url.startswith("sqlite")

    def with_changes(self, **changes: Any) -> Settings:
        """A copy with some settings changed, as command-line flags do."""
        return replace(self, **changes)


BOOLEANS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}

SECRET_SETTINGS = frozenset({"database_url", "redis_url"})
"""Settings that may carry a password; these take the `_FILE` form."""


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read all settings from `environ` (by default the process's own).

    Raises `SettingsError`, with the variable's name, on an unknown `STRONGROOM_` name (a misspelt limit must
    not be ignored in silence) and on any value that cannot be used.
    """
    environ = os.environ if environ is None else environ
    given = _gather(environ)
    data_dir = Path(given.pop("data_dir", "") or _default_data_dir(environ)).absolute()
    values: dict[str, Any] = {
        "data_dir": data_dir,
        "keyring": Path(given.pop("keyring", "") or _default_keyring(environ)).absolute(),
        "database_url": given.pop("database_url", "") or f"sqlite:///{data_dir / 'strongroom.db'}",
    }
    types = {item.name: str(item.type) for item in fields(Settings)}
    for name, text in given.items():
        values[name] = _convert(name, types[name], text)
    settings = Settings(**values)
    _check(settings)
    return settings


CLIENT_NAMES = frozenset(
    {
        "URL",
        "TOKEN",
        "CA_FILE",
        "ENVIRONMENT",
        "PROFILE",
        "CONFIG",
        "PASSWORD",
        "USERNAME",
        "NO_KEYCHAIN",
    }
)
"""Names that belong to the command and the SDK; the server leaves them alone."""


def _gather(environ: Mapping[str, str]) -> dict[str, str]:
    known = {item.name for item in fields(Settings)}
    given: dict[str, str] = {}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX):
            continue
        short = variable.removeprefix(PREFIX)
        if short in CLIENT_NAMES or short.removesuffix("_FILE") in CLIENT_NAMES:
            continue
        name = short.lower()
        if name.removesuffix("_file") in SECRET_SETTINGS and name.endswith("_file"):
            name, text = name.removesuffix("_file"), read_secret_file(variable, text)
        if name not in known:
            raise SettingsError(f"{variable} is not a setting of Strongroom; look for a spelling mistake.")
        if name in given:
            raise SettingsError(f"{PREFIX}{name.upper()} and its _FILE form are both set; keep one.")
        given[name] = text
    return given


def read_secret_file(variable: str, path: str) -> str:
    """The content of the file that `variable` names, less one trailing newline. Raises `SettingsError`."""
    try:
        return Path(path).read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{variable} names the file {path}, which cannot be read: {error}") from error


def _convert(name: str, kind: str, text: str) -> Any:
    variable = PREFIX + name.upper()
    try:
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
        if kind == "bool":
            return BOOLEANS[text.lower()]
        if kind.startswith("Path"):
            return Path(text).absolute() if text else None
        if kind.startswith("tuple"):
            return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    except (KeyError, ValueError) as error:
        raise SettingsError(f"{variable} is {text!r}, which is no valid {kind.split('[')[0].lower()}.") from error
    return text


def _check(settings: Settings) -> None:
    positive = ("workers", "threads", "login_threads", "max_connections", "max_requests_in_flight", "purge_after_days")
    for name in positive:
        if getattr(settings, name) < 1:
            raise SettingsError(f"{PREFIX}{name.upper()} must be at least 1.")
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise SettingsError("STRONGROOM_TLS_CERT and STRONGROOM_TLS_KEY go together; one of them is missing.")
    if settings.plain_http and not settings.trusted_proxies:
        raise SettingsError(
            "STRONGROOM_PLAIN_HTTP needs STRONGROOM_TRUSTED_PROXIES: the addresses of the proxy that ends TLS."
        )
    # The floor is OWASP's second recommendation for Argon2id (19 MiB, t=2, p=1), 2026.
    if settings.argon2_memory_kib < 19 * 1024 or settings.argon2_passes < 2 or settings.argon2_lanes < 1:
        raise SettingsError("Argon2id below 19 MiB, two passes and one lane is too weak to start with.")
    if settings.argon2_memory_kib > 1024 * 1024 or settings.argon2_passes > 16 or settings.argon2_lanes > 16:
        raise SettingsError("Argon2id above 1 GiB, 16 passes or 16 lanes would let a few logins stop the server.")
    if "\n" in settings.security_contact or "\r" in settings.security_contact:
        raise SettingsError("STRONGROOM_SECURITY_CONTACT is one line, as mailto:security@example.org.")
    if settings.log_format not in ("json", "console"):
        raise SettingsError("STRONGROOM_LOG_FORMAT is json or console.")
    if settings.log_level not in ("debug", "info", "warning", "error"):
        raise SettingsError("STRONGROOM_LOG_LEVEL is debug, info, warning or error.")


def _default_data_dir(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_DATA_HOME") or Path(environ.get("HOME", "/root"), ".local/share")
    return Path(base, "strongroom")


def _default_keyring(environ: Mapping[str, str]) -> Path:
    # Not below the data directory: whoever copies the one must not get the other with it.
    base = environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "/root"), ".config")
    return Path(base, "strongroom", "keyring", "master.json")
