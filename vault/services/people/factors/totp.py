"""Time-based codes (TOTP, RFC 6238), as authenticator apps show them: six digits, every 30 seconds.

A code is valid in its own step and in the steps before and after it. It is valid once: the row stores the last used
step, and only a later one is accepted. All apps support SHA-1 and six digits; some ignore other settings.
"""

from __future__ import annotations

import re

import pyotp

from vault.errors import BadSecondFactor
from vault.model.clock import SECOND_US, Clock
from vault.services.own.credentials import opened, sealed
from vault.services.own.instance import Instance
from vault.services.people.factors.kinds import FactorKind
from vault.storage import ColumnValues, UnitOfWork, User

ISSUER = "Strongroom"
STEPS_BESIDE = 1
"""RFC 6238, section 5.2, allows one step of delay. A device's clock may also be ahead."""

_CODE = re.compile("[0-9]{6}")


class Totp:
    """Authenticator apps as second factors."""

    def __init__(self, instance: Instance, clock: Clock) -> None:
        self._instance = instance
        self._clock = clock

    def new_secret(self) -> str:
        """Return 160 bits in base32. SHA-1 uses no more than that (RFC 4226, section 4)."""
        return pyotp.random_base32(32)

    def uri(self, secret: str, username: str) -> str:
        """Return the content of the QR code, in the form that authenticator apps read."""
        return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=ISSUER)

    def step_of(self, secret: str, code: str, after: int = -1) -> int | None:
        """Return the step of `code` if it is valid and later than `after`. Otherwise return None."""
        # Apps show "123 456". A step can be used once, so another spelling of a code does not make it valid again.
        digits = code.replace(" ", "")
        # pyotp would also accept digits of other scripts.
        if not _CODE.fullmatch(digits):
            return None
        now = self._clock() // SECOND_US
        try:
            step = pyotp.TOTP(secret).verify_and_get_timecode(digits, for_time=now, valid_window=STEPS_BESIDE)
        except pyotp.exceptions.OTPVerificationError:
            return None
        return step if step > after else None

    def columns(self, user_id: str, credential_id: str, secret: str) -> ColumnValues:
        """Return the sealed columns of a new row."""
        return sealed(self._instance, FactorKind.TOTP, user_id, credential_id, secret.encode())

    def use(self, unit: UnitOfWork, user: User, code: str) -> None:
        """Use a code of one of the user's apps, in a transaction that has locked the user. Raises `BadSecondFactor`."""
        for row in unit.credentials.of_user(user.id, FactorKind.TOTP):
            secret = opened(self._instance, FactorKind.TOTP, user.id, row).decode()
            step = self.step_of(secret, code, row.counter)
            if step is not None:
                # If several calls give the same code at once, only one can change the row.
                unit.credentials.change(row, counter=step, used_us=self._clock())
                return
        raise BadSecondFactor()
