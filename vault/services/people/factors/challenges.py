"""Challenges: short-lived rows that store what was proven so far, until the rest is proven too.

    login    password correct ──► challenge ──► second factor ──► session   (or a passkey alone, of an unknown person)
    step-up  the same for a session, which the new session replaces
    totp, passkey   a factor that a session is adding

The facts in a row are sealed and bound to its id and purpose, so write access to the database is not enough to forge or
change one. The statement that uses a challenge deletes it.
"""

from __future__ import annotations

import json
import secrets
import uuid
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum

from vault.crypto import Context, context
from vault.errors import BadSecondFactor
from vault.model.clock import SECOND_US, Clock
from vault.model.environment import looks_like_id
from vault.model.folding import fold_address
from vault.services.environments.documents import Document, known_members, read_document
from vault.services.own.instance import Instance
from vault.storage import ChallengeRow, UnitOfWork

LIFE_SECONDS = 5 * 60
ENROLMENT_LIFE_SECONDS = 10 * 60
"""Long enough to install an authenticator app."""
ATTEMPTS = 5
FROM_ADDRESS_MOST = 200
"""The limit of open logins from one address for people who are not known yet. Many people may share an address, so a
stranger among them must not be able to refuse the others.
"""
OF_PERSON_MOST = 20
OF_STRANGERS_MOST = 10_000
"""The limit for all addresses together: about 10 MB."""
_LOOK_EVERY = 64
"""Trim only once in this many challenges, because trimming 10,000 rows takes milliseconds."""
_CHALLENGE_BYTES = 32
"""WebAuthn, section 13.4.3, requires at least 16."""


class Purpose(StrEnum):
    """What a challenge is for. It can be used for nothing else."""

    LOGIN = "login"
    STEP_UP = "step-up"
    TOTP = "totp"
    PASSKEY = "passkey"


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the caller sees of a challenge. `passkey` is what a browser needs to ask for one."""

    id: str
    kinds: tuple[str, ...]
    expires_us: int
    passkey: Document | None = None


@dataclass(frozen=True, slots=True)
class ChallengeFacts:
    """The sealed facts of a challenge.

    `user_version` is the version of the user's row when the password was checked; `kind` is web or api; `session_id` is
    the session that asked; `secret` is a TOTP secret that is not confirmed yet; `random` is what a passkey signs.
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
        """Return what a passkey signs."""
        return bytes.fromhex(self.random)


class Challenges:
    """The challenges of all people."""

    def __init__(self, instance: Instance, clock: Clock) -> None:
        self._instance = instance
        self._clock = clock

    def begin(self, unit: UnitOfWork, purpose: Purpose, facts: ChallengeFacts, *, address: str = "") -> tuple[str, int]:
        """Store a challenge. Returns its id and when it expires. Give `address` if the person is unknown."""
        challenge_id, now = str(uuid.uuid4()), self._clock()
        life = LIFE_SECONDS if purpose in (Purpose.LOGIN, Purpose.STEP_UP) else ENROLMENT_LIFE_SECONDS
        origin = self._instance.digest("challenge address", fold_address(address)) if address else None
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
        self._trim(unit, facts.user_id, origin)
        return challenge_id, facts.expires_us

    def _trim(self, unit: UnitOfWork, user_id: str, origin: bytes | None) -> None:
        """Keep the newest challenges. A flood of unfinished logins makes them expire sooner, but refuses none."""
        if origin is not None:
            unit.challenges.trim_from(origin, FROM_ADDRESS_MOST)
        if user_id:
            unit.challenges.trim(user_id, OF_PERSON_MOST)
        elif secrets.randbelow(_LOOK_EVERY) == 0:
            unit.challenges.trim(None, OF_STRANGERS_MOST)

    def attempt(self, unit: UnitOfWork, purpose: Purpose, challenge_id: str) -> ChallengeFacts:
        """Count an attempt and return the facts of a challenge. Raises `BadSecondFactor`."""
        _check_shape(challenge_id)
        return self._facts(purpose, unit.challenges.attempt(challenge_id, purpose, self._clock()))

    def find(self, unit: UnitOfWork, purpose: Purpose, challenge_id: str) -> ChallengeFacts:
        """Return the facts of a challenge. Raises `BadSecondFactor`."""
        _check_shape(challenge_id)
        return self._facts(purpose, unit.challenges.find(challenge_id, purpose, self._clock()))

    def use_up(self, unit: UnitOfWork, purpose: Purpose, challenge_id: str) -> None:
        """Use up a challenge, so that it works only once. Raises `BadSecondFactor`."""
        if not unit.challenges.take(challenge_id, purpose, self._clock()):
            raise BadSecondFactor()

    def _facts(self, purpose: Purpose, row: ChallengeRow | None) -> ChallengeFacts:
        if row is None:
            raise BadSecondFactor()
        plain = self._instance.open_blob(self._place(purpose, row.id), row.user_key_id, row.blob)
        if row.user_key_id != self._instance.system_key_id:
            # A retired key may have leaked, and its thief could forge that somebody has given the password.
            raise BadSecondFactor()
        facts = known_members(ChallengeFacts, read_document(plain))
        # Check the sealed time too: the column is only for searching, and somebody with write access could change it.
        if facts.expires_us <= self._clock():
            raise BadSecondFactor()
        return facts

    def _place(self, purpose: Purpose, challenge_id: str) -> Context:
        return context.system_secret(self._instance.id, f"challenge {purpose}", challenge_id)


def _check_shape(challenge_id: str) -> None:
    # A database cannot look up every text, and no challenge has such an id.
    if not looks_like_id(challenge_id):
        raise BadSecondFactor()
