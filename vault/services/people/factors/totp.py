"""Codes that change with the time (TOTP, RFC 6238), as authenticator apps show them: six digits, every 30 seconds.

A code is good in its own step and the ones beside it, and once: the step that was used last is kept in the row, and
only a later one is taken. Every app knows SHA-1 and six digits, and some ignore what else they are told.
"""

from __future__ import annotations

import re

import pyotp

from vault.errors import BadSecondFactor
from vault.services.clock import SECOND_US, Clock
from vault.services.own.credentials import opened, sealed
from vault.services.own.instance import Instance
from vault.services.people.factors.kinds import Kind
from vault.storage import UnitOfWork, User

ISSUER = "Strongroom"
STEPS_BESIDE = 1
"""RFC 6238, section 5.2, allows for one step of delay; a device's clock may as well be ahead."""

_CODE = re.compile("[0-9]{6}")


class Totp:
    """Authenticator apps as second factors."""

    def __init__(self, instance: Instance, clock: Clock) -> None:
        self._instance = instance
        self._clock = clock

    def new_secret(self) -> str:
        """160 bits in base32, as many as SHA-1 makes use of (RFC 4226, section 4)."""
        return pyotp.random_base32(32)

    def uri(self, secret: str, username: str) -> str:
        """What a QR code holds, in the form that authenticator apps read."""
        return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=ISSUER)

    def step_of(self, secret: str, code: str, after: int = -1) -> int | None:
        """The step that `code` belongs to, if it is a good one and later than `after`."""
        # Apps show "123 456". What counts is the step that a code stands for, so no other spelling is another code.
        digits = code.replace(" ", "")
        # pyotp would take the digits of other scripts for ours.
        if not _CODE.fullmatch(digits):
            return None
        now = self._clock() // SECOND_US
        try:
            step = pyotp.TOTP(secret).verify_and_get_timecode(digits, for_time=now, valid_window=STEPS_BESIDE)
        except pyotp.exceptions.OTPVerificationError:
            return None
        return step if step > after else None

    def columns(self, user_id: str, credential_id: str, secret: str) -> dict[str, object]:
        """The sealed columns of a new row."""
        return sealed(self._instance, Kind.TOTP, user_id, credential_id, secret.encode())

    def use(self, unit: UnitOfWork, user: User, code: str) -> None:
        """Take a code of one of the user's apps, in a transaction that holds the user. Raises `BadSecondFactor`."""
        for row in unit.credentials.of_user(user.id, Kind.TOTP):
            secret = opened(self._instance, Kind.TOTP, user.id, row).decode()
            step = self.step_of(secret, code, row.counter)
            if step is not None:
                # Of any number who give the same code at once, one changes the row; the others see it changed.
                unit.credentials.change(row, counter=step, used_us=self._clock())
                return
        raise BadSecondFactor()
