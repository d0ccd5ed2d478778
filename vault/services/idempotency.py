"""Answers kept for a retry: the same call with the same Idempotency-Key happens once.

The key is claimed and the answer kept in the very transaction of the change, so either all three are stored or
none. Before an answer is given again, its permissions are asked again.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field

from vault.crypto import context, keyed_digest
from vault.errors import IdempotencyMismatch, InvalidInput, NotFound
from vault.model.environment import EnvironmentKind
from vault.model.grant import Permission, Target
from vault.model.policy import require
from vault.model.principal import Principal
from vault.services.clock import DAY_US, Clock
from vault.services.environments import target_of
from vault.services.instance import Instance
from vault.storage import Asked, Record, UnitOfWork

KEPT_US = DAY_US
KEY_MAX_CHARACTERS = 255
_PURPOSE = "idempotency"


@dataclass(frozen=True, slots=True)
class Call:
    """An unsafe call as its caller sent it; `body` is every byte that decides what it does."""

    method: str
    path: str
    key: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered: status, headers and text."""

    status: int
    headers: dict[str, str]
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Claim:
    """A key that this transaction has reserved; `keep` stores the answer under it."""

    scope: bytes
    row_id: str


class Idempotency:
    """Keeps answers sealed under the system key for a day."""

    def __init__(self, instance: Instance, clock: Clock) -> None:
        self._instance = instance
        self._clock = clock

    def claim(self, unit: UnitOfWork, principal: Principal, call: Call) -> Claim | KeptAnswer:
        """Reserve the key, or give the answer that is kept under it.

        Raises `IdempotencyMismatch` when the key was used for a different request, and what the permissions of
        the first call raise when they are gone.
        """
        if not 1 <= len(call.key) <= KEY_MAX_CHARACTERS:
            raise InvalidInput("An Idempotency-Key has 1 to 255 characters.", path="Idempotency-Key")
        scope = self._digest("idempotency scope", principal.label, call.method, call.path, call.key)
        fingerprint = self._digest("idempotency fingerprint", call.body)
        claim, now = Claim(scope, str(uuid.uuid4())), self._clock()
        if unit.idempotency.claim(scope, claim.row_id, fingerprint, now, now + KEPT_US):
            return claim
        row = unit.idempotency.find(scope)
        if row is None or row.blob is None:
            # The first call has failed in the meantime, and left nothing behind.
            raise IdempotencyMismatch("A call with this Idempotency-Key is under way; ask again.")
        if bytes(row.fingerprint) != fingerprint:
            raise IdempotencyMismatch()
        return self._open(unit, principal, row)

    def keep(self, unit: UnitOfWork, claim: Claim, answer: KeptAnswer) -> None:
        """Store the answer with what was asked for it, in the transaction of the change."""
        document = {
            "status": answer.status,
            "headers": answer.headers,
            "text": answer.text,
            "asked": [[asked.permission, asked.kind, asked.name, asked.id] for asked in unit.asked],
        }
        place = context.stored_answer(self._instance.id, _PURPOSE, claim.row_id)
        blob = self._instance.seal(place, json.dumps(document).encode())
        unit.idempotency.keep(claim.scope, self._instance.system_key_id, blob)

    def _open(self, unit: UnitOfWork, principal: Principal, row: Record) -> KeptAnswer:
        place = context.stored_answer(self._instance.id, _PURPOSE, row.row_id)
        document = json.loads(self._instance.open_blob(place, row.user_key_id, row.blob))
        for asked in document["asked"]:
            _ask_again(unit, principal, Asked(*asked))
        return KeptAnswer(document["status"], document["headers"], document["text"])

    def _digest(self, purpose: str, *parts: str | bytes) -> bytes:
        return keyed_digest(self._instance.secret("digest"), purpose, *parts)


def _ask_again(unit: UnitOfWork, principal: Principal, asked: Asked) -> None:
    target = Target(EnvironmentKind(asked.kind), asked.name, asked.id)
    if asked.id is not None:
        row = unit.environments.by_id(principal.user_id, asked.id)
        if row is None:
            raise NotFound()
        target = target_of(row)
    require(principal, Permission(asked.permission), target)
