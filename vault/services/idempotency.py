"""Stored answers for retries: a call with an Idempotency-Key that was used before is not carried out again.

The key and the answer are stored in the transaction of the change, so either all of them are stored or none. Before an
answer is repeated, its permissions are checked again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from vault.crypto import SALT_BYTES, Context, PasswordParameters, context, slow_digest
from vault.errors import BlobError, IdempotencyMismatch, InvalidInput, NotFound
from vault.model.action import Action
from vault.model.clock import DAY_US, Clock
from vault.model.environment import EnvironmentKind
from vault.model.grant import Permission, Target
from vault.model.policy import require
from vault.model.principal import Principal, PrincipalKind
from vault.services import audit
from vault.services.environments.documents import read_document
from vault.services.environments.permissions import target_of
from vault.services.own.instance import Instance
from vault.storage import Asked, KeptRow, UnitOfWork

KEPT_US = DAY_US
KEPT_MOST = 10_000
KEPT_MOST_BYTES = 32 * 1024 * 1024
"""The limit for one person: a write every nine seconds, all day. A retry usually comes within minutes."""

OF_TOKEN_MOST = KEPT_MOST // 4
OF_TOKEN_MOST_BYTES = KEPT_MOST_BYTES // 4
"""The limit for one token and all tokens that it made. It must not push out the answers of the person's other
tokens.
"""
ANSWER_MOST_BYTES = 4 * 1024 * 1024

KEY_MAX_CHARACTERS = 255
_PURPOSE = "idempotency"
_LARGE_BYTES = 64 * 1024
_LOOK_BELOW = 4
"""The limits are checked if a random byte is below this: once in 64 calls."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call that changes something, as its caller sent it. `body` has every byte that decides what it does.

    If `body` has a password, the fingerprint takes as long as a password hash: somebody with the database and the keys
    must not be able to guess it faster here. Call `claims` outside of any transaction then.
    """

    method: str
    path: str
    key: str
    body: bytes = field(repr=False)
    has_password: bool = False


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """A stored answer: status, headers and text."""

    status: int
    headers: dict[str, str]
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Claim:
    """A key and the request that was sent with it. Once it is reserved, `keep` stores the answer under it."""

    scope: bytes
    fingerprint: bytes


class Idempotency:
    """Stores answers for a day, sealed under the system key, and at most `KEPT_MOST` for each person."""

    def __init__(self, instance: Instance, parameters: PasswordParameters, clock: Clock) -> None:
        self._instance = instance
        self._parameters = parameters
        self._clock = clock

    def claims(self, principal: Principal, call: Call) -> list[Claim]:
        """Return the claim to reserve, and the claims that older digest keys would have made. Raises `InvalidInput`."""
        scopes = self._scopes(principal, call)
        body = call.body
        if call.has_password:
            salt = hashlib.sha256("\n".join((principal.label, call.method, call.path, call.key)).encode()).digest()
            body = slow_digest(body, salt[:SALT_BYTES], self._parameters)
        fingerprints = self._instance.digests("idempotency fingerprint", body)
        return [Claim(*pair) for pair in zip(scopes, fingerprints, strict=True)]

    def is_kept(self, unit: UnitOfWork, principal: Principal, call: Call) -> bool:
        """Report whether there is an answer under the key, for this request or for another. Raises `InvalidInput`."""
        rows = [unit.idempotency.find(scope) for scope in self._scopes(principal, call)]
        return any(row is not None and row.expires_us > self._clock() for row in rows)

    def claim(
        self, unit: UnitOfWork, principal: Principal, call: Call, claims: Sequence[Claim] | None = None
    ) -> Claim | KeptAnswer:
        """Reserve the key, or return the answer that is stored under it. `claims` is what `claims` returned, if it was
        called.

        Raises `IdempotencyMismatch` if the key was used for a different request. Raises what the permission checks of
        the first call raise if a permission is gone.
        """
        claim, *earlier = claims or self.claims(principal, call)
        for before in earlier:
            # The answer was stored before the digest key changed. The call must not be carried out again because of
            # that.
            row = unit.idempotency.find(before.scope)
            if row is not None and row.blob is not None:
                return self._answered(unit, principal, before, row)
        now = self._clock()
        holder = _holder(unit, principal)
        if unit.idempotency.claim(claim.scope, claim.fingerprint, principal.user_id, holder, now, now + KEPT_US):
            return claim
        row = unit.idempotency.find(claim.scope)
        if row is None or row.blob is None:
            # The first call has failed in the meantime, and nothing of it was stored.
            raise IdempotencyMismatch("A call with this Idempotency-Key is still running. Try again in a moment.")
        return self._answered(unit, principal, claim, row)

    def keep(self, unit: UnitOfWork, principal: Principal, claim: Claim, answer: KeptAnswer) -> None:
        """Store the answer and its permission checks, in the transaction of the change.

        Above the person's limit, the oldest answers are deleted. A retry of such a call is carried out again.
        """
        document = {
            "status": answer.status,
            "headers": answer.headers,
            "text": answer.text,
            "asked": [_written(asked) for asked in unit.asked],
            "asked_of_caller": sorted(principal.asked),
        }
        text = json.dumps(document).encode()
        if len(text) > ANSWER_MOST_BYTES:
            # This undoes the whole transaction, so nothing was changed.
            raise InvalidInput(
                "The answer to this call is too large to be stored, so nothing was changed. Send the call without an "
                "Idempotency-Key."
            )
        blob = self._instance.seal(self._place(claim), text)
        unit.idempotency.keep(claim.scope, self._instance.system_key_id, blob)
        # Check the limits for every large answer, and for the others only at random: adding up takes milliseconds.
        if len(blob) > _LARGE_BYTES or claim.scope[0] < _LOOK_BELOW:
            if (holder := _holder(unit, principal)) is not None:
                unit.idempotency.trim(principal.user_id, OF_TOKEN_MOST, OF_TOKEN_MOST_BYTES, holder=holder)
            unit.idempotency.trim(principal.user_id, KEPT_MOST, KEPT_MOST_BYTES)

    def _scopes(self, principal: Principal, call: Call) -> list[bytes]:
        if not 1 <= len(call.key) <= KEY_MAX_CHARACTERS:
            raise InvalidInput("An Idempotency-Key must have 1 to 255 characters.", path="Idempotency-Key")
        return self._instance.digests("idempotency scope", principal.label, call.method, call.path, call.key)

    def _answered(self, unit: UnitOfWork, principal: Principal, claim: Claim, row: KeptRow) -> KeptAnswer:
        if row.fingerprint != claim.fingerprint:
            raise IdempotencyMismatch()
        blob, key_id = row.blob, row.user_key_id
        if blob is None or key_id is None:
            raise BlobError()
        document = read_document(self._instance.open_blob(self._place(claim), key_id, blob))
        # An older release stored no checks of the caller.
        principal.ask_again(document.get("asked_of_caller", ()), self._clock())
        for asked in document["asked"]:
            _ask_again(unit, principal, _read(*asked))
        # Record this, because the answer may contain a secret.
        audit.record(unit, principal, Action.ANSWER_REPLAY)
        return KeptAnswer(document["status"], document["headers"], document["text"])

    def _place(self, claim: Claim) -> Context:
        # Use the values of this request, never those of the row: an answer that was moved to another key cannot be
        # opened.
        return context.stored_answer(self._instance.id, _PURPOSE, (claim.scope + claim.fingerprint).hex())


def _holder(unit: UnitOfWork, principal: Principal) -> str | None:
    """Return the token whose limit an answer counts for: the topmost one above the caller, or None for a session."""
    return unit.tokens.topmost(principal.id) if principal.kind is PrincipalKind.TOKEN else None


def _written(asked: Asked) -> list[str | None]:
    """Return a check in the form that is stored in a kept answer."""
    return [asked.permission, asked.target.kind, asked.target.name, asked.target.id]


def _read(permission: str, kind: str, name: str, environment_id: str | None) -> Asked:
    """Do the reverse of `_written`."""
    return Asked(Permission(permission), Target(EnvironmentKind(kind), name, environment_id))


def _ask_again(unit: UnitOfWork, principal: Principal, asked: Asked) -> None:
    target = asked.target
    if target.id is not None:
        row = unit.environments.by_id(principal.user_id, target.id)
        if row is None:
            raise NotFound()
        target = target_of(row)
    require(principal, asked.permission, target)
