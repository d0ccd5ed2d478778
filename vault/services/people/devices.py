"""Browsers and sessions that vouch for a person, so that a stranger at the same address cannot lock the person out.

whole login on the pages ──► cookie: id.seconds.digest ──next login──► voucher ──► a counter of its own in the throttle

The digest is keyed and covers the account, so nothing is stored, and a cookie is worth nothing for another account. It
also covers the account's version. This changes with the password, the factors, the role and the state, and when all
sessions are ended: older cookies are then void. The idea is OWASP's "Slow Down Online Guessing Attacks with Device
Cookies".
"""

from __future__ import annotations

import hmac
import re
import secrets

from vault.model.clock import CLOCKS_DIFFER_US, SECOND_US, Clock
from vault.services.own.instance import Instance
from vault.services.people.throttle import REMEMBERED_US
from vault.storage import User

DEVICE_LIFE_US = REMEMBERED_US
"""As long as an address is remembered."""

_PURPOSE = "device cookie"
_ID_BYTES = 16
_COOKIE = re.compile(r"(?P<id>[A-Za-z0-9_-]{22})\.(?P<seconds>[0-9]{1,12})\.(?P<digest>[0-9a-f]{64})", re.ASCII)


class Devices:
    """The cookies of browsers in which somebody has logged in."""

    def __init__(self, instance: Instance, clock: Clock) -> None:
        self._instance = instance
        self._clock = clock

    def issue(self, user: User) -> str:
        """Return a cookie for the browser of a person who has just logged in with all factors."""
        device_id, seconds = secrets.token_urlsafe(_ID_BYTES), str(self._clock() // SECOND_US)
        return f"{device_id}.{seconds}.{self._digest(user.id, user.row_version, device_id, seconds)}"

    def voucher(self, user_id: str, user_version: int, cookie: str, session_id: str) -> str:
        """Return the name of what vouches for this account, or an empty text.

        It is the session that asks for a step-up, or else the browser, if its cookie was issued to this version of the
        account within the last 30 days.
        """
        if session_id:
            return f"session {session_id}"
        found = _COOKIE.fullmatch(cookie)
        if found is None:
            return ""
        age_us = self._clock() - int(found["seconds"]) * SECOND_US
        if not -CLOCKS_DIFFER_US <= age_us <= DEVICE_LIFE_US:
            return ""
        # Only the active key counts. A retired one may have leaked, and its thief could make any number of cookies,
        # each with guesses of its own.
        digest = self._digest(user_id, user_version, found["id"], found["seconds"])
        return f"device {found['id']}" if hmac.compare_digest(digest, found["digest"]) else ""

    def _digest(self, user_id: str, user_version: int, device_id: str, seconds: str) -> str:
        return self._instance.digest(_PURPOSE, user_id, str(user_version), device_id, seconds).hex()
