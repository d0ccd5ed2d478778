"""Recovery codes: ten codes, shown once, for people who have lost their device. Each one logs in once.

One row has the unused codes: HMACs under a key of their own, sealed together. The row's counter is their number.
"""

from __future__ import annotations

import hmac
import json
import secrets
import uuid

from vault.crypto import Key, keyed_digest, new_key
from vault.errors import BadSecondFactor
from vault.model.clock import Clock
from vault.services.environments.documents import VERSION, read_document
from vault.services.own.credentials import opened, sealed
from vault.services.own.instance import Instance
from vault.services.people.factors.kinds import FactorKind
from vault.storage import UnitOfWork, User

CODES = 10
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base32, which has no letters that look alike."""
_GROUPS, _GROUP_CHARACTERS = 6, 4
"""120 bits: too many to guess, even for somebody with the database and its keys. Older codes of 60 bits still work."""
_LOOKALIKES = str.maketrans({"i": "1", "l": "1", "o": "0", "-": "", " ": ""})


class RecoveryCodes:
    """The recovery codes of all people."""

    def __init__(self, instance: Instance, clock: Clock) -> None:
        self._instance = instance
        self._clock = clock

    def renew(self, unit: UnitOfWork, user_id: str) -> tuple[str, ...]:
        """Replace the person's codes with ten new ones, and return them. They cannot be read again."""
        codes = tuple(_new_code() for _ in range(CODES))
        key = new_key()
        plain = _written(key, [_digest(key, user_id, code) for code in codes])
        found = unit.credentials.of_user(user_id, FactorKind.RECOVERY)
        credential_id = found[0].id if found else str(uuid.uuid4())
        columns = sealed(self._instance, FactorKind.RECOVERY, user_id, credential_id, plain)
        if found:
            unit.credentials.change(found[0], counter=CODES, **columns)
        else:
            row = {"id": credential_id, "user_id": user_id, "kind": str(FactorKind.RECOVERY), "label": ""}
            unit.credentials.add(**row, **columns, counter=CODES, created_us=self._clock())
        return codes

    def use(self, unit: UnitOfWork, user: User, code: str) -> int:
        """Use a code, in a transaction that has locked the user. Returns how many are left. Raises
        `BadSecondFactor`.
        """
        for row in unit.credentials.of_user(user.id, FactorKind.RECOVERY):
            key, digests = _read(opened(self._instance, FactorKind.RECOVERY, user.id, row))
            wanted = _digest(key, user.id, code)
            left = [digest for digest in digests if not hmac.compare_digest(digest, wanted)]
            if len(left) < len(digests):
                columns = sealed(self._instance, FactorKind.RECOVERY, user.id, row.id, _written(key, left))
                unit.credentials.change(row, counter=len(left), used_us=self._clock(), **columns)
                return len(left)
        raise BadSecondFactor()

    def left(self, unit: UnitOfWork, user_id: str) -> int:
        """Return how many codes the person has left."""
        return sum(row.counter for row in unit.credentials.of_user(user_id, FactorKind.RECOVERY))

    def drop(self, unit: UnitOfWork, user_id: str) -> None:
        """Delete the person's codes."""
        for row in unit.credentials.of_user(user_id, FactorKind.RECOVERY):
            unit.credentials.remove(row)


def _new_code() -> str:
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_CHARACTERS)) for _ in range(_GROUPS))


def _digest(key: Key, user_id: str, code: str) -> bytes:
    return keyed_digest(key, "recovery code", user_id, code.casefold().translate(_LOOKALIKES))


def _written(key: Key, digests: list[bytes]) -> bytes:
    facts = {"v": VERSION, "key_id": key.id, "key": key.secret.hex(), "digests": [digest.hex() for digest in digests]}
    return json.dumps(facts).encode()


def _read(plain: bytes) -> tuple[Key, list[bytes]]:
    facts = read_document(plain)
    return Key(facts["key_id"], bytes.fromhex(facts["key"])), [bytes.fromhex(text) for text in facts["digests"]]
