"""Answers wrapped for one reader: whoever holds the wrapping token fetches the answer once, within its time.

Stored: the answer sealed under the system key, beneath a keyed digest of the token. The row is deleted by the very
statement that reads it, so that of any number who ask at once one gets the answer. A second reader thus learns that
somebody else was first, which is what wrapping is for.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vault.crypto import Context, TokenKind, context, keyed_digest, mint, parse
from vault.errors import InvalidInput, NotAuthenticated, QuotaExceeded
from vault.model.principal import Principal, PrincipalKind
from vault.services import audit
from vault.services.clock import SECOND_US, Clock
from vault.services.documents import read_document
from vault.services.instance import Instance
from vault.settings import Settings
from vault.storage import Record, Storage, UnitOfWork

TTL_MOST_SECONDS = 86_400
"""A day, as for answers that are kept for a retry."""
ANSWERS_MOST = 1000
"""How many may wait for their readers, for each person."""

_PURPOSE = "wrapping"
_SPENT = "The wrapping token is not valid, has been used, or has expired."


@dataclass(frozen=True, slots=True)
class Wrapped:
    """An answer that waits for its reader. `token` is told once; the accessor names it in the audit."""

    accessor: str
    path: str
    created_us: int
    ttl_seconds: int
    token: str = field(default="", repr=False)


class Wrapping:
    """The wrapped answers of all people."""

    def __init__(self, settings: Settings, storage: Storage, instance: Instance, clock: Clock) -> None:
        self._settings = settings
        self._storage = storage
        self._instance = instance
        self._clock = clock

    def wrap(self, unit: UnitOfWork, principal: Principal, answer: str, path: str, ttl_seconds: int) -> Wrapped:
        """Keep `answer`, which `principal` was given at `path`. Raises `InvalidInput`, `QuotaExceeded`."""
        check_ttl(ttl_seconds)
        now = self._clock()
        count, kept_bytes = unit.wrapped_answers.kept(principal.user_id, now)
        if count >= ANSWERS_MOST or kept_bytes + len(answer) > self._settings.quota_bytes:
            raise QuotaExceeded("As many wrapped answers as this vault allows wait for their readers.")
        minted = mint(TokenKind.WRAPPING)
        made = Wrapped(str(uuid.uuid4()), path, now, ttl_seconds, minted.text)
        document = {"answer": answer, "accessor": made.accessor, "path": path, "ttl": ttl_seconds, "created": now}
        scope = self._scope(minted.text)
        unit.wrapped_answers.add(
            scope=scope,
            user_id=principal.user_id,
            user_key_id=self._instance.system_key_id,
            blob=self._instance.seal(self._place(scope), json.dumps(document).encode()),
            created_us=now,
            expires_us=now + ttl_seconds * SECOND_US,
        )
        audit.record(unit, principal, "wrapping.wrap")
        return made

    def unwrap(self, unit: UnitOfWork, token: str, address: str, request_id: str) -> str:
        """The answer, and nothing of it is left. Raises `InvalidInput`; every cause looks the same."""
        scope, row = self._found(unit, token, unit.wrapped_answers.take)
        document = self._open(scope, row)
        audit.record(unit, _reader(row, token, address, request_id), "wrapping.unwrap")
        return str(document["answer"])

    def rewrap(self, unit: UnitOfWork, token: str, address: str, request_id: str) -> Wrapped:
        """The same answer under a new token, for as long again; the old token is spent."""
        scope, row = self._found(unit, token, unit.wrapped_answers.take)
        document = self._open(scope, row)
        reader = _reader(row, token, address, request_id)
        return self.wrap(unit, reader, document["answer"], document["path"], document["ttl"])

    def look_up(self, token: str) -> Wrapped:
        """What is known of a wrapping token that has not been used. Raises `InvalidInput`."""
        with self._storage.read() as unit:
            scope, row = self._found(unit, token, unit.wrapped_answers.find)
        document = self._open(scope, row)
        return Wrapped(document["accessor"], document["path"], document["created"], document["ttl"])

    def _found(self, unit: UnitOfWork, token: str, look: Callable[[bytes, int], Record | None]) -> tuple[bytes, Record]:
        # An answer that was wrapped before the digest key was changed lies under the old key's digest.
        for scope in self._instance.digests("wrapping token", _shaped(token)):
            row = look(scope, self._clock())
            if row is not None:
                return scope, self._of_living_person(unit, row)
        raise InvalidInput(_SPENT)

    def _of_living_person(self, unit: UnitOfWork, row: Record) -> Record:
        user = unit.users.by_id(row.user_id)
        if user is None or user.state != "active":
            raise InvalidInput(_SPENT)
        return row

    def _open(self, scope: bytes, row: Record) -> dict[str, Any]:
        return read_document(self._instance.open_blob(self._place(scope), row.user_key_id, row.blob))

    def _scope(self, token: str) -> bytes:
        return keyed_digest(self._instance.secret("digest"), "wrapping token", token)

    def _place(self, scope: bytes) -> Context:
        return context.stored_answer(self._instance.id, _PURPOSE, scope.hex())


def check_ttl(seconds: int) -> None:
    """Raise `InvalidInput` for a time for which no answer is kept."""
    if not 1 <= seconds <= TTL_MOST_SECONDS:
        raise InvalidInput("An answer is wrapped for 1 second to a day.", path="X-Vault-Wrap-TTL")


def _shaped(token: str) -> str:
    try:
        if parse(token).kind is TokenKind.WRAPPING:
            return token
    except NotAuthenticated:
        pass
    raise InvalidInput(_SPENT)


def _reader(row: Record, token: str, address: str, request_id: str) -> Principal:
    """Whoever holds the wrapping token, for the trail of the person whose answer it was. It may do nothing else."""
    return Principal(
        PrincipalKind.TOKEN, parse(token).id, row.user_id, "", grants=(), address=address, request_id=request_id
    )
