"""Challenges: short-lived rows that hold what was proven so far, until it is completed with what is missing.

    login    password right ──► challenge ──► second factor ──► session      (or a passkey alone, by nobody known yet)
    step-up  the same by a session, which the fresh one takes the place of
    totp, passkey   a factor that is being added by a session

What has authority in a row is sealed and bound to its id and its purpose, so that whoever writes to the database can
neither make one nor change it; and it is used up by the statement that deletes it.
"""

from __future__ import annotations

import json
import secrets
import uuid
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from vault.crypto import Context, context, keyed_digest
from vault.errors import BadSecondFactor, TooManyRequests
from vault.model.environment import looks_like_id
from vault.model.folding import fold_address
from vault.services.clock import SECOND_US, Clock
from vault.services.environments.documents import known_members, read_document
from vault.services.own.instance import Instance
from vault.storage import Record, UnitOfWork

LIFE_SECONDS = 5 * 60
ENROLMENT_LIFE_SECONDS = 10 * 60
"""Long enough to install an authenticator app."""
ATTEMPTS = 5
FROM_ADDRESS_MOST = 200
"""Sign-ins that one address may have begun without any credential; many people may share it."""
OF_PERSON_MOST = 20
OF_STRANGERS_MOST = 10_000
"""In all, from all addresses: about 10 MB."""
_LOOK_EVERY = 64
"""Trim after one in this many, because trimming 10,000 rows takes milliseconds."""
_CHALLENGE_BYTES = 32
"""WebAuthn, section 13.4.3, asks for 16 at least."""


class Purpose(StrEnum):
    """What a challenge is for. One for the one never does for the other."""

    LOGIN = "login"
    STEP_UP = "step-up"
    TOTP = "totp"
    PASSKEY = "passkey"


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the caller is told of a challenge. `passkey` is what a browser needs to ask for one."""

    id: str
    kinds: tuple[str, ...]
    expires_us: int
    passkey: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Sealed:
    """What stands in a challenge's blob.

    `user_version` is the user's row as the password was looked at; `kind` the door, web or api; `session_id` the
    session that asked; `secret` a TOTP secret that waits to be confirmed; `random` what a passkey signs.
    """

    kind: str = ""
    user_id: str = ""
    user_version: int = 0
    session_id: str = ""
    has_password: bool = False
    expires_us: int = 0
    random: str = field(default_factory=lambda: secrets.token_hex(_CHALLENGE_BYTES), repr=False)
    secret: str = field(default="", repr=False)

    @property
    def random_bytes(self) -> bytes:
        """What a passkey signs."""
        return bytes.fromhex(self.random)


class Challenges:
    """The challenges of all people."""

    def __init__(self, instance: Instance, clock: Clock) -> None:
        self._instance = instance
        self._clock = clock

    def open(self, unit: UnitOfWork, purpose: Purpose, facts: Sealed, *, address: str = "") -> tuple[str, int]:
        """Store a challenge; its id, and when it ends. `address` where nobody is known yet.

        Raises `TooManyRequests` where too many from there are.
        """
        challenge_id, now = str(uuid.uuid4()), self._clock()
        life = LIFE_SECONDS if purpose in (Purpose.LOGIN, Purpose.STEP_UP) else ENROLMENT_LIFE_SECONDS
        origin = self._origin(unit, address, now) if address else None
        facts = replace(facts, expires_us=now + life * SECOND_US)
        unit.challenges.add(
            id=challenge_id,
            purpose=str(purpose),
            user_id=facts.user_id or None,
            user_key_id=self._instance.system_key_id,
            blob=self._instance.seal(self._place(purpose, challenge_id), json.dumps(asdict(facts)).encode()),
            address=origin,
            attempts_left=ATTEMPTS,
            expires_us=facts.expires_us,
        )
        self._trim(unit, facts.user_id)
        return challenge_id, facts.expires_us

    def _trim(self, unit: UnitOfWork, user_id: str) -> None:
        """Keep the newest challenges. A flood of unfinished logins makes them expire sooner, but refuses none."""
        if user_id:
            unit.challenges.trim(user_id, OF_PERSON_MOST)
        elif secrets.randbelow(_LOOK_EVERY) == 0:
            unit.challenges.trim(None, OF_STRANGERS_MOST)

    def attempt(self, unit: UnitOfWork, purpose: Purpose, challenge_id: str) -> Sealed:
        """What a challenge holds, after an attempt was counted off it. Raises `BadSecondFactor`."""
        _check_shape(challenge_id)
        return self._facts(purpose, unit.challenges.attempt(challenge_id, purpose, self._clock()))

    def find(self, unit: UnitOfWork, purpose: Purpose, challenge_id: str) -> Sealed:
        """What a challenge holds. Raises `BadSecondFactor`."""
        _check_shape(challenge_id)
        return self._facts(purpose, unit.challenges.find(challenge_id, purpose, self._clock()))

    def use_up(self, unit: UnitOfWork, purpose: Purpose, challenge_id: str) -> None:
        """Complete a challenge: nobody does it twice. Raises `BadSecondFactor`."""
        if not unit.challenges.take(challenge_id, purpose, self._clock()):
            raise BadSecondFactor()

    def _facts(self, purpose: Purpose, row: Record | None) -> Sealed:
        if row is None:
            raise BadSecondFactor()
        plain = self._instance.open_blob(self._place(purpose, row.id), row.user_key_id, row.blob)
        facts = known_members(Sealed, read_document(plain))
        # The column is there to be searched, and whoever writes to the database may write to it.
        if facts.expires_us <= self._clock():
            raise BadSecondFactor()
        return facts

    def _origin(self, unit: UnitOfWork, address: str, now_us: int) -> bytes:
        origin = keyed_digest(self._instance.secret("digest"), "challenge address", fold_address(address))
        if unit.challenges.count_from(origin, now_us) >= FROM_ADDRESS_MOST:
            raise TooManyRequests(
                "Too many logins were begun from this address: wait a little.", retry_after_seconds=60
            )
        return origin

    def _place(self, purpose: Purpose, challenge_id: str) -> Context:
        return context.system_secret(self._instance.id, f"challenge {purpose}", challenge_id)


def _check_shape(challenge_id: str) -> None:
    # What no database can look up is no challenge either.
    if not looks_like_id(challenge_id):
        raise BadSecondFactor()
