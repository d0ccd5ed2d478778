"""Reads the settings from environment variables into one frozen `Settings`. Every name starts with `STRONGROOM_`.

A secret setting may also be given as `NAME_FILE`: the path of a file that contains the value. One trailing newline
is removed. Giving both is an error, because it is unclear which one is meant.
"""

from __future__ import annotations

import ipaddress
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from vault.errors import SettingsError

PREFIX = "STRONGROOM_"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one vault. The names of durations have their unit; sizes are in bytes."""

    data_dir: Path
    keyring: Path
    # Both may contain a password, and a repr ends up in tracebacks.
    database_url: str = field(repr=False)
    redis_url: str = field(default="", repr=False)
    bind: str = "127.0.0.1:8443"
    public_url: str = ""
    metrics_bind: str = ""
    workers: int = 2
    threads: int = 4
    login_threads: int = 2
    tls_cert: Path | None = None
    tls_key: Path | None = None
    plain_http: bool = False
    trusted_proxies: tuple[Network, ...] = ()
    max_connections: int = 2000
    max_requests_in_flight: int = 128
    max_requests_in_flight_per_caller: int = 32
    threads_per_caller: int = 0
    calls_per_second_per_caller: float = 1000.0
    least_bytes_per_second: int = 8 * 1024
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
    key_destroy_wait_days: int = 7
    reseal_grace_hours: int = 24
    rotate_user_keys_days: int = 0
    rotate_data_keys_days: int = 0
    rotate_system_key_days: int = 0
    operator_networks: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
    key_provider: str = "file"
    passphrase: str = field(default="", repr=False)
    aws_kms_key_id: str = ""
    aws_kms_region: str = ""
    aws_kms_endpoint: str = ""
    pkcs11_module: Path | None = None
    pkcs11_token: str = ""
    pkcs11_pin: str = field(default="", repr=False)
    transit_url: str = ""
    transit_token: str = field(default="", repr=False)
    transit_token_file: Path | None = None
    transit_mount: str = "transit"
    transit_namespace: str = ""
    transit_ca_file: Path | None = None
    quota_environments: int = 1000
    quota_tokens: int = 1000
    quota_sessions: int = 100
    quota_bytes: int = 256 * 1024 * 1024
    purge_after_days: int = 30
    spool_bytes: int = 256 * 1024 * 1024
    audit_forward: str = ""
    audit_forward_ca_file: Path | None = None
    audit_keep_days: int = 0
    backup_to: str = ""
    backup_key: Path | None = None
    backup_recipients: str = ""
    backup_keep_days: int = 14
    backup_keep_recent_hours: int = 24
    security_contact: str = ""
    log_level: str = "info"
    log_format: str = "json"

    @property
    def embedded(self) -> bool:
        """Whether the database is the built-in SQLite file, which `serve` may create and upgrade itself."""
        return self.database_url.startswith("sqlite")

    @property
    def buffered_bytes_per_caller(self) -> int:
        """The memory that a worker holds for one caller or one connection: a quarter, but at least two large bodies."""
        return max(self.buffered_bytes // 4, 4 * 1024 * 1024)

    @property
    def origin(self) -> str:
        """The address of this vault for browsers. It is a setting because the sender of a request chooses its Host
        header.
        """
        port = self.bind.rpartition(":")[2]
        return self.public_url or ("https://localhost" if port == "443" else f"https://localhost:{port}")

    @property
    def public_host(self) -> str:
        """The host name in `origin`."""
        return urlsplit(self.origin).hostname or ""


SPOOL_LEAST_BYTES = 1024 * 1024
BACKUP_KEEP_MOST_DAYS = 30
"""No backup keeps erased data longer than this: older archives with key tables are deleted."""

BACKUP_PLACE = re.compile(r"dir:/.*|s3://[^/,]+(/[^,]*)?")

FORWARD_TARGET = re.compile(
    r"|stdout|file:/.+|syslog|syslog(\+tcp|\+tls)?:(?P<host>\[[0-9a-fA-F:.]+\]|[\w.-]+)(:(?P<port>\d{1,5}))?"
)
"""Targets for forwarded audit events. The empty value forwards nothing."""

LISTENER = re.compile(r"(\[[\w:.%]+\]|[\w.-]*):\d{1,5}")
"""A listening address, as `127.0.0.1:8443`, `[::1]:8443` or, for every address, `:8443`."""

ORIGIN = re.compile(r"https://([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[1-9]\d{0,4})?")

BOOLEANS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}

_MAY_BE_ZERO = frozenset(
    {
        "threads_per_caller",
        "audit_keep_days",
        "key_cache_seconds",
        "key_destroy_wait_days",
        "reseal_grace_hours",
        "rotate_user_keys_days",
        "rotate_data_keys_days",
        "rotate_system_key_days",
        "quota_environments",
        "quota_tokens",
        "quota_bytes",
    }
)

SECRET_SETTINGS = frozenset({"database_url", "redis_url", "passphrase", "pkcs11_pin"})
"""Settings that may carry a password; these take the `_FILE` form.

`transit_token_file` is a setting of its own: agents renew tokens by writing the file anew, so it is read again later.
"""


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read all settings from `environ`, by default the environment of this process.

    Raises `SettingsError` with the variable's name for an unknown `STRONGROOM_` name, because a misspelt limit must not
    be
    ignored, and for any value that cannot be used.
    """
    environ = os.environ if environ is None else environ
    given = _gather(environ)
    _add_credential(given, environ)
    data_dir = Path(given.pop("data_dir", "") or _default_data_dir(environ)).absolute()
    values: dict[str, Any] = {  # type: ignore[explicit-any]  # `_convert` gives each field its own type
        "data_dir": data_dir,
        "keyring": Path(given.pop("keyring", "") or _default_keyring(environ)).absolute(),
        "database_url": given.pop("database_url", "") or f"sqlite:///{data_dir / 'strongroom.db'}",
    }
    types = {item.name: str(item.type) for item in fields(Settings)}
    for name, text in given.items():
        values[name] = _convert(name, types[name], text)
    settings = Settings(**values)
    check(settings)
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
"""Names of the command and the SDK. The server ignores them."""


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
            raise SettingsError(f"{variable} is not a setting of Strongroom. Check the spelling.")
        if name in given:
            raise SettingsError(f"{PREFIX}{name.upper()} and its _FILE form are both set. Remove one.")
        given[name] = text
    return given


def _add_credential(given: dict[str, str], environ: Mapping[str, str]) -> None:
    """Add the passphrase that systemd provides to this service (`LoadCredential=passphrase:…`)."""
    directory = environ.get("CREDENTIALS_DIRECTORY", "")
    credential = Path(directory, "passphrase")
    if not directory or not credential.exists():
        return
    if "passphrase" in given:
        raise SettingsError("STRONGROOM_PASSPHRASE and the credential named passphrase are both set. Remove one.")
    given["passphrase"] = read_secret_file("CREDENTIALS_DIRECTORY", str(credential))


def read_secret_file(variable: str, path: str) -> str:
    """Return the content of the file that `variable` names, without one trailing newline. Raises `SettingsError`."""
    try:
        return Path(path).read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{variable} names the file {path}, which cannot be read: {error}") from error


def _convert(name: str, kind: str, text: str) -> object:
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
        raise SettingsError(f"{variable} is {text!r}, which is not a valid {kind.split('[')[0].lower()}.") from error
    return text


def check(settings: Settings) -> None:
    """Raise `SettingsError` if a value cannot be used."""
    for each in fields(settings):
        _check_number(each.name, getattr(settings, each.name))
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise SettingsError("Set both STRONGROOM_TLS_CERT and STRONGROOM_TLS_KEY. One of them is missing.")
    if settings.plain_http and not settings.trusted_proxies:
        raise SettingsError(
            "STRONGROOM_PLAIN_HTTP needs STRONGROOM_TRUSTED_PROXIES: the addresses of the proxy that terminates TLS."
        )
    _check_addresses(settings)
    _check_public_url(settings.public_url)
    _check_argon2(settings)
    _check_key_provider(settings)
    _check_telling(settings)
    _check_backup(settings)


def _check_addresses(settings: Settings) -> None:
    # gunicorn accepts a name without a port, and would listen on 8000.
    for name, bind in (("BIND", settings.bind), ("METRICS_BIND", settings.metrics_bind)):
        if (bind or name == "BIND") and (not LISTENER.fullmatch(bind) or int(bind.rpartition(":")[2]) > 65535):
            raise SettingsError(f"{PREFIX}{name} is {bind!r}. It must be a host and a port, such as 127.0.0.1:8443.")


def _check_public_url(url: str) -> None:
    # This must be exactly the origin that browsers send, because passkeys compare it letter by letter.
    if url and (not ORIGIN.fullmatch(url) or url.endswith(":443")):
        raise SettingsError(
            "STRONGROOM_PUBLIC_URL must be https://host or https://host:port, in lower case, without :443 or a path."
        )


def _check_argon2(settings: Settings) -> None:
    # The minimum is OWASP's second recommendation for Argon2id (19 MiB, t=2, p=1), 2026.
    if settings.argon2_memory_kib < 19 * 1024 or settings.argon2_passes < 2 or settings.argon2_lanes < 1:
        raise SettingsError("Argon2id needs at least 19 MiB, two passes and one lane. Less is too weak.")
    if settings.argon2_memory_kib > 1024 * 1024 or settings.argon2_passes > 16 or settings.argon2_lanes > 16:
        raise SettingsError(
            "Argon2id may use at most 1 GiB, 16 passes and 16 lanes. With more, a few logins would stop the server."
        )


def _check_telling(settings: Settings) -> None:
    """Check the security contact, the audit and the logs."""
    if "\n" in settings.security_contact or "\r" in settings.security_contact:
        raise SettingsError("STRONGROOM_SECURITY_CONTACT must be one line, such as mailto:security@example.org.")
    if settings.spool_bytes < SPOOL_LEAST_BYTES:
        raise SettingsError(f"STRONGROOM_SPOOL_BYTES must be at least {SPOOL_LEAST_BYTES}.")
    _check_forward(settings.audit_forward, settings.audit_forward_ca_file)
    if settings.log_format not in ("json", "console"):
        raise SettingsError("STRONGROOM_LOG_FORMAT must be json or console.")
    if settings.log_level not in ("debug", "info", "warning", "error"):
        raise SettingsError("STRONGROOM_LOG_LEVEL must be debug, info, warning or error.")


def _check_forward(target: str, ca_file: Path | None) -> None:
    found = FORWARD_TARGET.fullmatch(target)
    if found is None:
        raise SettingsError(
            "STRONGROOM_AUDIT_FORWARD must be stdout, file:/path, syslog, syslog:host:port, syslog+tcp:host:port or "
            "syslog+tls:host:port."
        )
    if found["port"] is not None and not 1 <= int(found["port"]) <= 65535:
        raise SettingsError("STRONGROOM_AUDIT_FORWARD has a bad port: use a number from 1 to 65535.")
    try:
        (found["host"] or "").encode("idna")
    except UnicodeError as error:
        raise SettingsError(f"STRONGROOM_AUDIT_FORWARD has a bad host name: {found['host']}.") from error
    if ca_file is None:
        return
    if not target.startswith("syslog+tls:"):
        raise SettingsError(
            "STRONGROOM_AUDIT_FORWARD_CA_FILE works only with STRONGROOM_AUDIT_FORWARD=syslog+tls:host:port."
        )
    import ssl

    try:
        ssl.create_default_context(cafile=str(ca_file))
    except OSError as error:
        raise SettingsError(
            f"STRONGROOM_AUDIT_FORWARD_CA_FILE names {ca_file}, but no certificates can be read from it: {error}"
        ) from error


def _check_backup(settings: Settings) -> None:
    places = [place.strip() for place in settings.backup_to.split(",") if place.strip()]
    if not all(map(BACKUP_PLACE.fullmatch, places)):
        raise SettingsError("STRONGROOM_BACKUP_TO must be a list of dir:/an/absolute/path and s3://bucket/prefix.")
    if settings.backup_keep_days > BACKUP_KEEP_MOST_DAYS:
        raise SettingsError(
            f"STRONGROOM_BACKUP_KEEP_DAYS must be at most {BACKUP_KEEP_MOST_DAYS}. Old archives contain erased data "
            "until they are deleted."
        )


def _check_key_provider(settings: Settings) -> None:
    if settings.transit_token and settings.transit_token_file:
        raise SettingsError("STRONGROOM_TRANSIT_TOKEN and its _FILE form are both set. Remove one.")


def _check_number(name: str, value: object) -> None:
    least = 0 if name in _MAY_BE_ZERO else 1
    if type(value) is int and value < least:
        raise SettingsError(f"{PREFIX}{name.upper()} must be at least {least}.")
    # Written so that nan fails it too.
    if type(value) is float and not 0 < value < math.inf:
        raise SettingsError(f"{PREFIX}{name.upper()} must be more than 0.")


def _default_data_dir(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_DATA_HOME") or Path(environ.get("HOME", "/root"), ".local/share")
    return Path(base, "strongroom")


def _default_keyring(environ: Mapping[str, str]) -> Path:
    # Not below the data directory: a copy of one must not include the other.
    base = environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "/root"), ".config")
    return Path(base, "strongroom", "keyring", "master.json")
