"""Reads the settings from environment variables into one frozen `Settings`. Every name starts with `STRONGROOM_`.

A secret setting may also be given as `NAME_FILE`: the path of a file that contains the value. `vault/sources.py`
says what is removed around it. Giving both is an error, because it is unclear which one is meant.
"""

from __future__ import annotations

from vault.settings.addresses import check_database, hosts_as_options, socket_address
from vault.settings.checks import check
from vault.settings.fields import PREFIX, SECRET_SETTINGS, Network, Settings
from vault.settings.files import check_certificate
from vault.settings.loading import load
from vault.settings.names import check_variables

__all__ = [
    "PREFIX",
    "SECRET_SETTINGS",
    "Network",
    "Settings",
    "check",
    "check_certificate",
    "check_database",
    "check_variables",
    "hosts_as_options",
    "load",
    "socket_address",
]
