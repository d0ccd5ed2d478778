"""Challenges: what a person has proven so far, until they prove the rest or it expires.

They have no MAC, because the facts in them are sealed (see `services/people/factors/challenges.py`). The number of
attempts is not protected, like the counters of the throttle.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.sql import ColumnElement

from vault.storage.rows.trim import beyond
from vault.storage.tables import challenges


@dataclass(frozen=True, slots=True)
class ChallengeRow:
    """The proofs that a person has given so far, sealed."""

    id: str
    purpose: str
    user_id: str | None
    user_key_id: str
    blob: bytes
    address: bytes | None
    attempts_left: int
    expires_us: int


class Challenges:
    """The challenges of all people. The statement that completes a challenge deletes it, so it works only once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, **values: object) -> None:
        """Store a challenge."""
        self._connection.execute(insert(challenges), values)

    def attempt(self, challenge_id: str, purpose: str, now_us: int) -> ChallengeRow | None:
        """Count an attempt for an open challenge, before anything is checked. Returns None if no attempt is left."""
        wanted = _living(challenge_id, purpose, now_us) & (challenges.c.attempts_left > 0)
        fewer = update(challenges).where(wanted).values(attempts_left=challenges.c.attempts_left - 1)
        row = self._connection.execute(fewer.returning(challenges)).one_or_none()
        return None if row is None else ChallengeRow(*row)

    def find(self, challenge_id: str, purpose: str, now_us: int) -> ChallengeRow | None:
        """Return an open challenge, or None."""
        row = self._connection.execute(select(challenges).where(_living(challenge_id, purpose, now_us))).one_or_none()
        return None if row is None else ChallengeRow(*row)

    def take(self, challenge_id: str, purpose: str, now_us: int) -> bool:
        """Use up a challenge. If several calls do this at once, only one gets True."""
        used = delete(challenges).where(_living(challenge_id, purpose, now_us)).returning(challenges.c.id)
        return self._connection.execute(used).one_or_none() is not None

    def trim(self, user_id: str | None, most: int) -> None:
        """Keep the `most` challenges that end last, of a person or of strangers (None). Delete the others."""
        self._trim(challenges.c.user_id.is_(None) if user_id is None else challenges.c.user_id == user_id, most)

    def trim_from(self, address: bytes, most: int) -> None:
        """Keep the `most` challenges of an address that end last. Delete the others."""
        self._trim(challenges.c.address == address, most)

    def _trim(self, which: ColumnElement[bool], most: int) -> None:
        newest_first = select(challenges.c.id).where(which).order_by(challenges.c.expires_us.desc(), challenges.c.id)
        self._connection.execute(delete(challenges).where(challenges.c.id.in_(beyond(most, newest_first))))

    def drop_of(self, user_id: str, purpose: str | None = None) -> None:
        """Delete a person's challenges, all or those with one purpose."""
        theirs = challenges.c.user_id == user_id
        if purpose is not None:
            theirs &= challenges.c.purpose == purpose
        self._connection.execute(delete(challenges).where(theirs))

    def purge(self, now_us: int) -> int:
        """Delete expired challenges, and return how many."""
        return self._connection.execute(delete(challenges).where(challenges.c.expires_us <= now_us)).rowcount


def _living(challenge_id: str, purpose: str, now_us: int) -> ColumnElement[bool]:
    return (challenges.c.id == challenge_id) & (challenges.c.purpose == purpose) & (challenges.c.expires_us > now_us)
