"""The settings that are numbers: how each is written, and its least and its most value."""

from __future__ import annotations

import re
from dataclasses import fields

from vault.errors import SettingsError
from vault.settings.addresses import shown
from vault.settings.fields import PREFIX, Settings

_YEARS_OF_SECONDS = 10 * 366 * 86400
_DAYS = 36_600
_MEBIBYTE = 1024 * 1024
_MOST_BYTES = 2**50

BACKUP_KEEP_MOST_DAYS = 30
"""No backup keeps erased data longer than this: older archives with key tables are deleted."""

BOUNDS: dict[str, tuple[float, float]] = {
    "backup_place_seconds": (1, 86_400),
    "workers": (1, 64),
    "threads": (1, 1024),
    "login_threads": (1, 1024),
    "max_connections": (1, 1_000_000),
    "max_streams": (1, 1_000_000),
    "max_streams_per_person": (1, 1_000_000),
    "max_streams_per_credential": (1, 1_000_000),
    "max_requests_in_flight": (1, 1_000_000),
    "max_requests_in_flight_per_caller": (1, 1_000_000),
    "threads_per_caller": (0, 1024),
    "calls_per_second_per_caller": (0.001, 1_000_000),
    "least_bytes_per_second": (1, 2**30),
    "body_timeout_seconds": (0.001, 3600),
    "handshake_timeout_seconds": (0.001, 3600),
    "header_timeout_seconds": (0.001, 3600),
    "graceful_timeout_seconds": (1, 3600),
    "buffered_bytes": (1, _MOST_BYTES),
    "session_idle_seconds": (1, _YEARS_OF_SECONDS),
    "session_absolute_seconds": (1, _YEARS_OF_SECONDS),
    # The ranges of vault/crypto/password.py, which must not know the settings. A test compares them.
    "argon2_memory_kib": (19 * 1024, 1024 * 1024),
    "argon2_passes": (2, 16),
    "argon2_lanes": (1, 16),
    "key_cache_seconds": (0, _YEARS_OF_SECONDS),
    "key_destroy_wait_days": (0, _DAYS),
    "reseal_grace_hours": (0, 24 * _DAYS),
    "rotate_user_keys_days": (0, _DAYS),
    "rotate_data_keys_days": (0, _DAYS),
    "rotate_system_key_days": (0, _DAYS),
    "quota_environments": (0, 1_000_000_000),
    "quota_tokens": (0, 1_000_000_000),
    "quota_sessions": (1, 1_000_000_000),
    "quota_bytes": (0, _MOST_BYTES),
    "purge_after_days": (1, _DAYS),
    "token_step_up_days": (1, _DAYS),
    "spool_bytes": (_MEBIBYTE, _MOST_BYTES),
    "audit_keep_days": (0, _DAYS),
    "revision_keep_days": (0, _DAYS),
    "changes_keep_days": (1, _DAYS),
    "backup_keep_days": (1, BACKUP_KEEP_MOST_DAYS),
    "backup_keep_recent_hours": (1, 24 * _DAYS),
}
"""The least and the most value of each."""

_REASONS = {
    "argon2_memory_kib": " Argon2id with less is too weak.",
    "argon2_passes": " Argon2id with less is too weak.",
    "argon2_lanes": " Argon2id with more would stop the server.",
    "backup_keep_days": " Old archives contain erased data until they are deleted.",
}

_WHOLE = re.compile(r"-?[0-9]{1,19}")
_DECIMAL = re.compile(r"-?[0-9]{1,19}(\.[0-9]{1,9})?")


def number_of(name: str, kind: str, text: str) -> int | float:
    """Return the number in a text: digits, and for a `float` perhaps a point. Raises `SettingsError`."""
    text = text.strip()
    if kind == "int" and _WHOLE.fullmatch(text):
        return int(text)
    if kind == "float" and _DECIMAL.fullmatch(text):
        return float(text)
    raise SettingsError(f"{PREFIX}{name.upper()} is {shown(text)}. It must be {_wanted(name, kind)}.")


def check_numbers(settings: Settings) -> None:
    """Raise `SettingsError` for a number that is too small or too large."""
    for each in fields(settings):
        value = getattr(settings, each.name)
        if type(value) in (int, float):
            least, most = BOUNDS[each.name]
            # This form of the comparison also refuses nan.
            if not least <= value <= most:
                raise SettingsError(
                    f"{PREFIX}{each.name.upper()} must be {_wanted(each.name, str(each.type))}."
                    f"{_REASONS.get(each.name, '')}"
                )


def _wanted(name: str, kind: str) -> str:
    least, most = BOUNDS[name]
    return f"a {'whole ' if kind == 'int' else ''}number from {least} to {most}"
