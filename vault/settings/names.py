"""The variables that start with `STRONGROOM_`. A name that nothing reads is refused, and so is an empty value."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import fields

from vault.errors import SettingsError
from vault.settings.fields import PREFIX, SECRET_SETTINGS, Settings
from vault.sources import variable_of

_CLIENT_NAMES = frozenset(
    "URL TOKEN TOKEN_FILE CA_FILE ENVIRONMENT CONFIG USERNAME PASSWORD PASSWORD_FILE NO_KEYCHAIN".split()
)
"""Names of the command and the SDK, without the prefix. The server ignores them."""

SERVER_NAMES = frozenset(item.name.upper() for item in fields(Settings)) | {
    f"{name.upper()}_FILE" for name in SECRET_SETTINGS
}

_KNOWN = _CLIENT_NAMES | SERVER_NAMES

_KUBERNETES = re.compile(r"(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR))")
_KUBERNETES_LINK = re.compile(r"(\w+_)?PORT(_\d+_(TCP|UDP|SCTP))?")
"""What Kubernetes sets in every pod beside a Service whose name starts with `strongroom`."""


def check_variables(environ: Mapping[str, str]) -> None:
    """Raise `SettingsError` for a name that nothing reads, because a misspelt setting must not be ignored, and for a
    variable that is set and empty. A variable that only the command reads is checked for the server too, and the other
    way round.
    """
    for variable, text in environ.items():
        short = variable.removeprefix(PREFIX)
        if variable.startswith(PREFIX) and short not in _KNOWN and not _is_of_kubernetes(short, text):
            raise SettingsError(f"{variable} is not a setting of Strongroom. {_advice(short)}")
        if variable.startswith(PREFIX):
            variable_of(environ, variable)


def _is_of_kubernetes(short: str, text: str) -> bool:
    # A link is an address. STRONGROOM_PORT=8443 is a person's, and must not be ignored.
    is_link = "://" in text and _KUBERNETES_LINK.fullmatch(short) is not None
    return is_link or _KUBERNETES.fullmatch(short) is not None


def _advice(short: str) -> str:
    longer = sorted(name for name in _KNOWN if short and name.startswith(short.upper()))
    meant = longer or difflib.get_close_matches(short.upper(), sorted(_KNOWN), n=1)
    return f"Did you mean {PREFIX}{meant[0]}?" if meant else "Check the spelling."
