"""Wrapped answers: the holder of a wrapping token can fetch an answer once, within its time.

A row has the answer, sealed under the system key, and a keyed digest of the token. The statement that reads the row
deletes it, so of several calls at once only one gets the answer. A second reader therefore learns that somebody else
was first, which is the purpose of wrapping.

    reserve (is there room?) ─► the call runs ─► fill, or release if it gave no answer
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from vault.crypto import Context, TokenKind, context, mint, parse
from vault.errors import InvalidInput, NotAuthenticated, QuotaExceeded, Unavailable
from vault.model.action import Action
from vault.model.clock import DAY_SECONDS, SECOND_US, Clock
from vault.model.principal import Principal, PrincipalKind
from vault.services import audit
from vault.services.environments.documents import Document, read_document
from vault.services.own.instance import Instance
from vault.storage import RESERVED, ColumnValues, Storage, UnitOfWork, WrappedAnswer

TTL_MOST_SECONDS = DAY_SECONDS
"""One day, like answers that are stored for a retry."""
ANSWER_MOST_BYTES = 1024 * 1024
RESERVED_BYTES = 64 * 1024
"""How much to reserve for the answer of a change, before it runs. Such answers are short."""
RESERVED_SECONDS = 300
"""How long a reservation lasts. After this time the call has ended, or its worker has died."""


@dataclass(frozen=True, slots=True)
class Share:
    """A limit for answers that are not unwrapped yet: their number and their bytes."""

    count: int
    bytes: int


OF_ONE_TOKEN = Share(100, 4 * 1024 * 1024)
"""The share of one token and all tokens that it made."""
OF_ALL_TOKENS = Share(800, 32 * 1024 * 1024)
OF_SESSIONS = Share(200, 8 * 1024 * 1024)
"""The share of each person's sessions. The person's tokens cannot use it up."""

_PURPOSE = "wrapping"
_SPENT = "wrapping token is not valid or does not exist"
"""Vault's words: clients look for them. It may have been used, or has expired."""


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A wrapped answer. `token` is shown once. The accessor names it in the audit."""

    accessor: str
    path: str
    created_us: int
    ttl_seconds: int
    token: str = field(default="", repr=False)


class Wrapping:
    """The wrapped answers of all people."""

    def __init__(self, storage: Storage, instance: Instance, clock: Clock, *, quota_bytes: int) -> None:
        """`quota_bytes` limits all environments of a person, and so also their wrapped answers."""
        self._quota_bytes = quota_bytes
        self._storage = storage
        self._instance = instance
        self._clock = clock

    def reserve(self, unit: UnitOfWork, user_id: str, token_id: str | None, path: str, ttl_seconds: int) -> Wrapped:
        """Reserve room for the answer of a call, for a session or a token, before the call runs.

        Raises `InvalidInput`, `QuotaExceeded`.
        """
        check_ttl(ttl_seconds)
        now = self._clock()
        # Lock the person until the transaction ends, so that two calls cannot take the same room.
        unit.users.by_id(user_id, lock=True)
        unit.wrapped_answers.purge_of(user_id, now)
        topmost = unit.tokens.topmost(token_id) if token_id is not None else None
        self._check_room(unit, user_id, topmost, RESERVED_BYTES)
        made = Wrapped(str(uuid.uuid4()), path, now, ttl_seconds, mint(TokenKind.WRAPPING).text)
        reserved = {"created_us": RESERVED, "expires_us": now + RESERVED_SECONDS * SECOND_US, "token_id": topmost}
        scope = self._scope(made.token)
        unit.wrapped_answers.add(scope=scope, user_id=user_id, **self._sealed(scope, user_id, made, ""), **reserved)
        return made

    def fill(self, unit: UnitOfWork, principal: Principal, reserved: Wrapped, answer: str) -> Wrapped:
        """Store `answer` in the reserved room. Raises `InvalidInput` if it is too large, and `QuotaExceeded`."""
        size, scope = len(answer.encode()), self._scope(reserved.token)
        if size > ANSWER_MOST_BYTES:
            raise InvalidInput(f"This answer has {size} bytes, and at most {ANSWER_MOST_BYTES} bytes can be wrapped.")
        if size > RESERVED_BYTES:
            unit.users.by_id(principal.user_id, lock=True)
            topmost = unit.tokens.topmost(principal.id) if principal.kind is PrincipalKind.TOKEN else None
            self._check_room(unit, principal.user_id, topmost, size - RESERVED_BYTES, more=0)
        made = replace(reserved, created_us=self._clock())
        times = {"created_us": made.created_us, "expires_us": made.created_us + made.ttl_seconds * SECOND_US}
        if not unit.wrapped_answers.fill(scope, **self._sealed(scope, principal.user_id, made, answer), **times):
            raise Unavailable("The reservation for this answer has expired, because the call took too long.")
        audit.record(unit, principal, Action.WRAPPING_WRAP)
        return made

    def release(self, unit: UnitOfWork, reserved: Wrapped) -> None:
        """Release the reservation, because there is no answer to wrap."""
        unit.wrapped_answers.release(self._scope(reserved.token))

    def _check_room(
        self, unit: UnitOfWork, user_id: str, topmost: str | None, more_bytes: int, *, more: int = 1
    ) -> None:
        stored = unit.wrapped_answers.room(user_id, RESERVED_BYTES)
        shares = [(OF_SESSIONS, [stored.get(None, (0, 0))], "your sessions")]
        if topmost is not None:
            of_tokens = [room for token_id, room in stored.items() if token_id is not None]
            shares = [
                (OF_ONE_TOKEN, [stored.get(topmost, (0, 0))], "this token"),
                (OF_ALL_TOKENS, of_tokens, "your tokens"),
            ]
        for share, rooms, whose in shares:
            count, size = sum(room[0] for room in rooms) + more, sum(room[1] for room in rooms) + more_bytes
            if count > share.count or size > min(share.bytes, self._quota_bytes):
                raise QuotaExceeded(
                    f"There are too many wrapped answers of {whose} that are not unwrapped yet. The limit is "
                    f"{share.count}, or {share.bytes // 1024} KiB. Unwrap some, or wait until they expire."
                )

    def _sealed(self, scope: bytes, user_id: str, made: Wrapped, answer: str) -> ColumnValues:
        document = {
            "user_id": user_id,
            "answer": answer,
            "accessor": made.accessor,
            "path": made.path,
            "ttl": made.ttl_seconds,
            "created": made.created_us,
        }
        blob = self._instance.seal(self._place(scope), json.dumps(document).encode())
        return {"user_key_id": self._instance.system_key_id, "blob": blob}

    def unwrap(self, unit: UnitOfWork, token: str, address: str, request_id: str) -> str:
        """Return the answer and delete it. Raises `InvalidInput`, the same for every cause."""
        scope, row = self._found(unit, token, unit.wrapped_answers.take)
        document = self._open(scope, row)
        audit.record(unit, _reader(row, token, address, request_id), Action.WRAPPING_UNWRAP)
        return str(document["answer"])

    def rewrap(self, unit: UnitOfWork, token: str, address: str, request_id: str) -> Wrapped:
        """Wrap the same answer under a new token, for the same time again. The old token stops working."""
        scope, row = self._found(unit, token, unit.wrapped_answers.take)
        document = self._open(scope, row)
        made = Wrapped(
            str(uuid.uuid4()), document["path"], self._clock(), document["ttl"], mint(TokenKind.WRAPPING).text
        )
        times = {"created_us": made.created_us, "expires_us": made.created_us + made.ttl_seconds * SECOND_US}
        scope, whose = self._scope(made.token), {"user_id": row.user_id, "token_id": row.token_id}
        # The new answer replaces the old one, so it needs no more room.
        sealed = self._sealed(scope, row.user_id, made, document["answer"])
        unit.wrapped_answers.add(scope=scope, **sealed, **whose, **times)
        audit.record(unit, _reader(row, token, address, request_id), Action.WRAPPING_WRAP)
        return made

    def look_up(self, token: str) -> Wrapped:
        """Describe an unused wrapping token. Raises `InvalidInput`."""
        with self._storage.read() as unit:
            scope, row = self._found(unit, token, unit.wrapped_answers.find)
        document = self._open(scope, row)
        return Wrapped(document["accessor"], document["path"], document["created"], document["ttl"])

    def _found(
        self, unit: UnitOfWork, token: str, look: Callable[[bytes, int], WrappedAnswer | None]
    ) -> tuple[bytes, WrappedAnswer]:
        # If the digest key has changed since, the answer is found by a digest under the old key.
        for scope in self._instance.digests("wrapping token", _shaped(token)):
            row = look(scope, self._clock())
            if row is not None:
                return scope, self._of_living_person(unit, row)
        raise InvalidInput(_SPENT)

    def _of_living_person(self, unit: UnitOfWork, row: WrappedAnswer) -> WrappedAnswer:
        user = unit.users.by_id(row.user_id)
        if user is None or user.state != "active":
            raise InvalidInput(_SPENT)
        return row

    def _open(self, scope: bytes, row: WrappedAnswer) -> Document:
        document = read_document(self._instance.open_blob(self._place(scope), row.user_key_id, row.blob))
        # Check the sealed owner and time too: somebody with write access could change the columns. Releases up to 0.2.0
        # did not seal the owner.
        is_owner = document.get("user_id", row.user_id) == row.user_id
        if not is_owner or document["created"] + document["ttl"] * SECOND_US <= self._clock():
            raise InvalidInput(_SPENT)
        return document

    def _scope(self, token: str) -> bytes:
        return self._instance.digest("wrapping token", token)

    def _place(self, scope: bytes) -> Context:
        return context.stored_answer(self._instance.id, _PURPOSE, scope.hex())


def check_ttl(seconds: int) -> None:
    """Raise `InvalidInput` if answers cannot be stored for this time."""
    if not 1 <= seconds <= TTL_MOST_SECONDS:
        raise InvalidInput("An answer can be wrapped for 1 second to one day.", path="X-Vault-Wrap-TTL")


def _shaped(token: str) -> str:
    try:
        if parse(token).kind is TokenKind.WRAPPING:
            return token
    except NotAuthenticated:
        pass
    raise InvalidInput(_SPENT)


def _reader(row: WrappedAnswer, token: str, address: str, request_id: str) -> Principal:
    """Return the principal of a wrapping token, for the audit events of the answer's owner. It has no other rights."""
    return Principal(
        PrincipalKind.TOKEN, parse(token).id, row.user_id, "", grants=(), address=address, request_id=request_id
    )
