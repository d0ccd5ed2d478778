"""Checks of settings beyond their types."""

from __future__ import annotations

import math
import re
from dataclasses import fields
from pathlib import Path

from vault.errors import SettingsError
from vault.settings.fields import PREFIX, Settings

SPOOL_LEAST_BYTES = 1024 * 1024
BACKUP_KEEP_MOST_DAYS = 30
"""No backup keeps erased data longer than this: older archives with key tables are deleted."""

BACKUP_PLACE = re.compile(r"dir:/.*|s3://[^/,]+(/[^,]*)?")

FORWARD_TARGET = re.compile(
    r"|stdout|file:/.+|syslog|syslog(\+tcp|\+tls)?:(?P<host>\[[0-9a-fA-F:.]+\]|[\w.-]+)(:(?P<port>\d{1,5}))?"
)
"""Targets for forwarded audit events. The empty value forwards nothing."""

SECOND_FACTOR_OF = ("none", "operators", "all")
"""Of whom a second factor is demanded."""

LISTENER = re.compile(r"(\[[\w:.%]+\]|[\w.-]*):\d{1,5}")
"""A listening address, as `127.0.0.1:8443`, `[::1]:8443` or, for every address, `:8443`."""

ORIGIN = re.compile(r"https://([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[1-9]\d{0,4})?")

_MAY_BE_ZERO = frozenset(
    {
        "threads_per_caller",
        "audit_keep_days",
        "revision_keep_days",
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
    if settings.require_second_factor not in SECOND_FACTOR_OF:
        raise SettingsError("STRONGROOM_REQUIRE_SECOND_FACTOR must be none, operators or all.")
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
    if settings.backup_recipients and not settings.backup_recipients.strip(", "):
        raise SettingsError(
            "STRONGROOM_BACKUP_RECIPIENTS is set, but names no recipient. Without it, the backup key is used."
        )
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
    # This form of the comparison also refuses nan.
    if type(value) is float and not 0 < value < math.inf:
        raise SettingsError(f"{PREFIX}{name.upper()} must be more than 0.")
