"""Checks of settings beyond their types."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from vault.errors import SettingsError
from vault.settings.addresses import check_database, check_host, check_https, check_listener, check_redis, listed
from vault.settings.fields import PREFIX, Settings
from vault.settings.files import check_files
from vault.settings.numbers import check_numbers

BACKUP_PLACE = re.compile(r"dir:/.*|s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^,]*)?")

FORWARD_TARGET = re.compile(
    r"|stdout|file:/.+|syslog|syslog(\+tcp|\+tls)?:(?P<host>\[[0-9a-fA-F:.]+\]|[\w.-]+)(:(?P<port>\d{1,5}))?"
)
"""Targets for forwarded audit events. The empty value forwards nothing."""

ORIGIN = re.compile(r"https://(?P<host>[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:(?P<port>[1-9]\d{0,4}))?")

_PARTS = r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*/?"
_TEXTS = {
    "aws_kms_key_id": (r"[A-Za-z0-9:/_.-]{1,2048}", "the id, the alias or the ARN of a KMS key"),
    "aws_kms_region": (r"[a-z]{2,}(-[a-z0-9]+)+", "a region such as eu-central-1"),
    "pkcs11_token": (r".{1,32}", "the label of a token, of at most 32 characters"),
    "transit_mount": (_PARTS, "the path of a mount, such as transit"),
    "transit_namespace": (_PARTS, "the path of a namespace, such as team/one"),
    "transit_token": (r"[\x21-\x7e]+", "a token, without spaces and line breaks"),
    "security_contact": (r"(mailto:|https://|tel:)[\x21-\x7e]+", "one line, such as mailto:security@example.org"),
    "require_second_factor": (r"none|operators|all", "none, operators or all"),
    "log_format": (r"json|console", "json or console"),
    "log_level": (r"debug|info|warning|error", "debug, info, warning or error"),
}
"""Settings that are texts: the form of each, and the words for it."""

_ANY_TEXT = frozenset({"passphrase", "pkcs11_pin"})
"""Secrets that people choose: every character but NUL may be in them."""


def check(settings: Settings) -> None:
    """Raise `SettingsError` if a value cannot be used, or if a file that is named cannot. Creates nothing."""
    check_numbers(settings)
    _check_texts(settings)
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise SettingsError("Set both STRONGROOM_TLS_CERT and STRONGROOM_TLS_KEY. One of them is missing.")
    if settings.plain_http and not settings.trusted_proxies:
        raise SettingsError(
            "STRONGROOM_PLAIN_HTTP needs STRONGROOM_TRUSTED_PROXIES: the addresses of the proxy that terminates TLS."
        )
    _check_addresses(settings)
    _check_public_url(settings.public_url)
    _check_forward(settings.audit_forward, settings.audit_forward_ca_file)
    _check_key_provider(settings)
    _check_backup(settings)
    check_files(settings)


def _check_texts(settings: Settings) -> None:
    for each in fields(settings):
        value = getattr(settings, each.name)
        if not isinstance(value, str):
            continue
        variable = PREFIX + each.name.upper()
        if "\0" in value or (each.name not in _ANY_TEXT and re.search(r"[\x00-\x1f\x7f]", value)):
            raise SettingsError(f"{variable} contains a line break or another control character.")
        if each.name in _TEXTS and value:
            form, words = _TEXTS[each.name]
            if not re.fullmatch(form, value):
                raise SettingsError(f"{variable} must be {words}.")


def _check_addresses(settings: Settings) -> None:
    check_database(settings.database_url)
    if settings.redis_url:
        check_redis(settings.redis_url)
    check_listener(f"{PREFIX}BIND", settings.bind)
    if settings.metrics_bind:
        check_listener(f"{PREFIX}METRICS_BIND", settings.metrics_bind)
    for name in ("transit_url", "aws_kms_endpoint"):
        if address := getattr(settings, name):
            check_https(PREFIX + name.upper(), address)


def _check_public_url(url: str) -> None:
    if not url:
        return
    # This must be exactly the origin that browsers send, because passkeys compare it letter by letter.
    found = ORIGIN.fullmatch(url)
    if found is None or url.endswith(":443") or int(found["port"] or 1) > 65535:
        raise SettingsError(
            "STRONGROOM_PUBLIC_URL must be https://host or https://host:port, in lower case, without :443 or a path."
        )
    check_host(f"{PREFIX}PUBLIC_URL", found["host"])


def _check_forward(target: str, ca_file: Path | None) -> None:
    found = FORWARD_TARGET.fullmatch(target)
    if found is None:
        raise SettingsError(
            "STRONGROOM_AUDIT_FORWARD must be stdout, file:/path, syslog, syslog:host:port, syslog+tcp:host:port or "
            "syslog+tls:host:port."
        )
    if found["port"] is not None and not 1 <= int(found["port"]) <= 65535:
        raise SettingsError("STRONGROOM_AUDIT_FORWARD has a bad port: use a number from 1 to 65535.")
    if found["host"] is not None:
        check_host(f"{PREFIX}AUDIT_FORWARD", found["host"])
    if ca_file is not None and not target.startswith("syslog+tls:"):
        raise SettingsError(
            "STRONGROOM_AUDIT_FORWARD_CA_FILE works only with STRONGROOM_AUDIT_FORWARD=syslog+tls:host:port."
        )


def _check_backup(settings: Settings) -> None:
    if settings.backup_to and not all(map(BACKUP_PLACE.fullmatch, listed(f"{PREFIX}BACKUP_TO", settings.backup_to))):
        raise SettingsError("STRONGROOM_BACKUP_TO must be a list of dir:/an/absolute/path and s3://bucket/prefix.")
    if settings.backup_recipients:
        listed(f"{PREFIX}BACKUP_RECIPIENTS", settings.backup_recipients)


def _check_key_provider(settings: Settings) -> None:
    if settings.transit_token and settings.transit_token_file:
        raise SettingsError("STRONGROOM_TRANSIT_TOKEN and its _FILE form are both set. Remove one.")
