"""The name under which the audit records an operator's command on the host.

The name comes from the system and never from LOGNAME or USER, which everybody may set. Somebody who may run these
commands can read the keyring, and so can also forge the audit: the name helps honest operators, and proves nothing.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from vault.model.printable import shown

_LOGIN_UID = Path("/proc/self/loginuid")
_MAX_CHARACTERS = 75
"""The audit stores 80, with `host:` before the name."""

_NO_LOGIN = 2**32 - 1
"""What the kernel shows for a process without a login, such as a service (AUDIT_UID_UNSET)."""


def account_name() -> str:
    """Return the account of this process, and the person's account if it is another one: `root (login: ada)`.

    The person's account is the login that the kernel remembers across sudo and su. Without one, root's SUDO_USER is
    taken if there is such an account.
    """
    own = os.getuid()
    login = _login_uid()
    sudo = os.environ.get("SUDO_USER", "")
    name = _name(own)
    if login not in (None, own):
        name += f" (login: {_name(login)})"
    elif login is None and own == 0 and _exists(sudo):
        name += f" (sudo: {shown(sudo)})"
    return name[:_MAX_CHARACTERS]


def _login_uid() -> int | None:
    """Return the user id of the login; None without one, or on a system that does not record it."""
    try:
        found = int(_LOGIN_UID.read_text())
    except (OSError, ValueError):
        return None
    return None if found == _NO_LOGIN else found


def _name(uid: int) -> str:
    try:
        return shown(pwd.getpwuid(uid).pw_name)
    except KeyError:
        # A container may run under a number without an account.
        return f"uid {uid}"


def _exists(name: str) -> bool:
    try:
        return pwd.getpwnam(name).pw_name == name
    except (KeyError, ValueError):
        return False
