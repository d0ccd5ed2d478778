"""Reads the settings from environment variables, and from the files that some of them name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from vault.errors import SettingsError
from vault.settings.addresses import networks_of, shown
from vault.settings.checks import check
from vault.settings.fields import PREFIX, SECRET_SETTINGS, Settings
from vault.settings.names import SERVER_NAMES, check_variables
from vault.settings.numbers import number_of
from vault.sources import Cleaning, secret_in_file, without_one_line_end, without_space_around

BOOLEANS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read all settings from `environ`, by default the environment of this process.

    Raises `SettingsError` with the variable's name for an unknown `STRONGROOM_` name, because a misspelt limit must not
    be ignored, and for any value that cannot be used.
    """
    environ = os.environ if environ is None else environ
    given = _gather(environ)
    _add_credential(given, environ)
    data_dir = _path(f"{PREFIX}DATA_DIR", given.pop("data_dir", "") or _default_data_dir(environ))
    values: dict[str, Any] = {  # type: ignore[explicit-any]  # `_convert` gives each field its own type
        "data_dir": data_dir,
        "keyring": _path(f"{PREFIX}KEYRING", given.pop("keyring", "") or _default_keyring(environ)),
        "database_url": given.pop("database_url", "") or f"sqlite:///{data_dir / 'strongroom.db'}",
    }
    types = {item.name: str(item.type) for item in fields(Settings)}
    for name, text in given.items():
        values[name] = _convert(name, types[name], text)
    settings = Settings(**values)
    check(settings)
    return settings


def _gather(environ: Mapping[str, str]) -> dict[str, str]:
    check_variables(environ)
    given: dict[str, str] = {}
    for variable, text in environ.items():
        short = variable.removeprefix(PREFIX)
        if not variable.startswith(PREFIX) or short not in SERVER_NAMES:
            continue
        name = short.lower()
        if name.removesuffix("_file") in SECRET_SETTINGS and name.endswith("_file"):
            name = name.removesuffix("_file")
            text = secret_in_file(variable, text, _cleaning(name))
        if name in given:
            raise SettingsError(f"{PREFIX}{name.upper()} and its _FILE form are both set. Remove one.")
        given[name] = text
    return given


def _cleaning(name: str) -> Cleaning:
    return without_one_line_end if name == "passphrase" else without_space_around


def _add_credential(given: dict[str, str], environ: Mapping[str, str]) -> None:
    """Add the passphrase that systemd provides to this service (`LoadCredential=passphrase:…`)."""
    directory = environ.get("CREDENTIALS_DIRECTORY", "")
    credential = Path(directory, "passphrase")
    if not directory or not credential.exists():
        return
    if "passphrase" in given:
        raise SettingsError("STRONGROOM_PASSPHRASE and the credential named passphrase are both set. Remove one.")
    given["passphrase"] = secret_in_file("CREDENTIALS_DIRECTORY", str(credential), without_one_line_end)


def _convert(name: str, kind: str, text: str) -> object:
    variable = PREFIX + name.upper()
    if kind in ("int", "float"):
        return number_of(name, kind, text)
    if kind == "bool":
        if text.strip().lower() not in BOOLEANS:
            raise SettingsError(f"{variable} is {shown(text)}. It must be 1 or 0 (or true, false, yes, no).")
        return BOOLEANS[text.strip().lower()]
    if kind.startswith("Path"):
        return _path(variable, text)
    if kind.startswith("tuple"):
        return networks_of(variable, text)
    return text


def _path(variable: str, text: str) -> Path:
    if text.startswith("~"):
        raise SettingsError(f"{variable} is {shown(text)}. Write the whole path: only a shell knows what ~ is.")
    return Path(text).absolute()


def _default_data_dir(environ: Mapping[str, str]) -> str:
    base = environ.get("XDG_DATA_HOME") or Path(environ.get("HOME", "/root"), ".local/share")
    return str(Path(base, "strongroom"))


def _default_keyring(environ: Mapping[str, str]) -> str:
    # Not below the data directory: a copy of one must not include the other.
    base = environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "/root"), ".config")
    return str(Path(base, "strongroom", "keyring", "master.json"))
