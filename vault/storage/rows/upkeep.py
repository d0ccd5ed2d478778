"""Unsigned rows that the running service needs: changes, throttle counters, stored answers, workers and leases."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, case, delete, func, insert, select, update
from sqlalchemy.sql import ColumnElement

from vault import __version__
from vault.model.action import Action
from vault.model.clock import MINUTE_US
from vault.model.printable import shown
from vault.storage.database.schema import SCHEMA_NUMBER
from vault.storage.database.upsert import upsert
from vault.storage.rows.trim import beyond
from vault.storage.tables import changes, idempotency, leases, throttle, workers, wrapped_answers

CHANGES_MOST = 10_000
"""The limit for each person. There can be a few more until the next trim."""
_LOOK_EVERY = 256
_TRIM_AT_ONCE = 5000
RESERVED = 0
"""The value of `wrapped_answers.created_us` for a reservation: its call has not ended yet."""


CLOCKS_DIFFER_US = 5 * MINUTE_US
"""How far the clocks of two hosts may differ in normal operation, in microseconds."""


class _Plain:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection


class Changes(_Plain):
    """The feed of a user's changes. Its numbers have no gaps."""

    def add(
        self, user_id: str, seq: int, kind: Action, environment_id: str | None, revision: int | None, at_us: int
    ) -> None:
        """Store one change with the number from `Users.next_change`."""
        row = {"user_id": user_id, "seq": seq, "kind": str(kind), "at_us": at_us}
        self._connection.execute(insert(changes), {**row, "environment_id": environment_id, "revision": revision})
        if seq % _LOOK_EVERY == 0:
            old = (changes.c.user_id == user_id) & (changes.c.seq <= seq - CHANGES_MOST)
            self._connection.execute(delete(changes).where(old))

    def purge(self, before_us: int) -> int:
        """Delete changes older than `before_us`, and return how many."""
        return self._connection.execute(delete(changes).where(changes.c.at_us < before_us)).rowcount


@dataclass(frozen=True, slots=True)
class FailureCounter:
    """How often something failed, and when."""

    bucket: bytes
    failures: int
    window_us: int
    last_us: int
    ends_us: int


class Throttle(_Plain):
    """Failure counters. A bucket is a keyed digest of what is counted."""

    def read(self, buckets: list[bytes]) -> dict[bytes, FailureCounter]:
        """Return the counters of these buckets that exist."""
        statement = select(throttle).where(throttle.c.bucket.in_(buckets)).order_by(throttle.c.bucket)
        # Lock them until this attempt is counted. Otherwise many guesses at once would all see the same count.
        found = self._connection.execute(statement.with_for_update())
        return {row.bucket: FailureCounter(*row) for row in found}

    def fail(self, bucket: bytes, now_us: int, window_us: int) -> None:
        """Count one failure. A counter whose window has passed starts again."""
        times = {"last_us": now_us, "ends_us": now_us + window_us}
        statement = upsert(self._connection, throttle).values(bucket=bucket, failures=1, window_us=now_us, **times)
        # A counter that starts in the future was made while a clock was ahead.
        fresh = throttle.c.window_us.between(now_us - window_us + 1, now_us + CLOCKS_DIFFER_US)
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["bucket"],
                set_={"failures": throttle.c.failures + 1, **times},
                where=fresh,
            )
        )
        stale = (throttle.c.bucket == bucket) & ~fresh
        self._connection.execute(update(throttle).where(stale).values(failures=1, window_us=now_us, **times))

    def trim(self, most: int) -> None:
        """Keep the `most` counters that end last. Delete the others."""
        newest_first = select(throttle.c.bucket).order_by(throttle.c.ends_us.desc(), throttle.c.bucket)
        past = beyond(most, newest_first, at_once=_TRIM_AT_ONCE)
        self._connection.execute(delete(throttle).where(throttle.c.bucket.in_(past)))

    def take_back(self, bucket: bytes) -> None:
        """Take one failure back after a success."""
        counted = (throttle.c.bucket == bucket) & (throttle.c.failures > 0)
        self._connection.execute(update(throttle).where(counted).values(failures=throttle.c.failures - 1))

    def clear(self, bucket: bytes) -> None:
        """Delete a counter after a success."""
        self._connection.execute(delete(throttle).where(throttle.c.bucket == bucket))

    def purge(self, now_us: int) -> int:
        """Delete counters that have ended, and return how many."""
        return self._connection.execute(delete(throttle).where(throttle.c.ends_us < now_us)).rowcount


@dataclass(frozen=True, slots=True)
class KeptRow:
    """An answer that is kept for a retry. It has no blob while its call runs."""

    scope: bytes
    user_id: str
    fingerprint: bytes
    blob: bytes | None
    user_key_id: str | None
    created_us: int
    expires_us: int
    holder: str | None
    proof: bytes | None


class Idempotency(_Plain):
    """Stored answers for retries, each under a keyed digest of the caller, the call and its key."""

    def claim(
        self, scope: bytes, fingerprint: bytes, user_id: str, holder: str | None, now_us: int, expires_us: int
    ) -> bool:
        """Reserve `scope` for this transaction. Returns False if there is already an answer.

        While another transaction holds the same scope, PostgreSQL makes this one wait for its end.
        """
        self._connection.execute(
            delete(idempotency).where(idempotency.c.scope == scope, idempotency.c.expires_us <= now_us)
        )
        row = {"scope": scope, "fingerprint": fingerprint, "user_id": user_id, "holder": holder}
        statement = upsert(self._connection, idempotency).values(**row, created_us=now_us, expires_us=expires_us)
        claimed = statement.on_conflict_do_nothing(index_elements=["scope"]).returning(idempotency.c.scope)
        # With psycopg, SQLAlchemy reports -1 as the number of inserted rows.
        return self._connection.execute(claimed).one_or_none() is not None

    def find(self, scope: bytes) -> KeptRow | None:
        """Return the answer under `scope`."""
        row = self._connection.execute(select(idempotency).where(idempotency.c.scope == scope)).one_or_none()
        return None if row is None else KeptRow(*row)

    def keep(self, scope: bytes, user_key_id: str, blob: bytes) -> None:
        """Store the sealed answer under a scope that this transaction has claimed."""
        kept = update(idempotency).where(idempotency.c.scope == scope)
        self._connection.execute(kept.values(blob=blob, user_key_id=user_key_id))

    def trim(self, user_id: str, most: int, most_bytes: int, *, holder: str | None = None) -> None:
        """Delete a person's oldest answers above `most` answers or `most_bytes`.

        With `holder`, only those of one token and of the tokens that it made.
        """
        theirs = idempotency.c.user_id == user_id
        if holder is not None:
            theirs &= idempotency.c.holder == holder
        newest_first = (idempotency.c.created_us.desc(), idempotency.c.scope)
        size = func.length(func.coalesce(idempotency.c.blob, b""))
        ranked = (
            select(
                idempotency.c.scope,
                func.row_number().over(order_by=newest_first).label("number"),
                func.sum(size).over(order_by=newest_first).label("bytes"),
            )
            .where(theirs)
            .subquery()
        )
        past = select(ranked.c.scope).where((ranked.c.number > most) | (ranked.c.bytes > most_bytes))
        self._connection.execute(delete(idempotency).where(idempotency.c.scope.in_(past)))

    def purge(self, now_us: int) -> int:
        """Delete expired answers, and return how many."""
        return self._connection.execute(delete(idempotency).where(idempotency.c.expires_us <= now_us)).rowcount


@dataclass(frozen=True, slots=True)
class WrappedAnswer:
    """An answer that is kept for one reader."""

    scope: bytes
    user_id: str
    user_key_id: str
    blob: bytes
    created_us: int
    expires_us: int
    token_id: str | None


class WrappedAnswers(_Plain):
    """Wrapped answers, which can be fetched once, each under a keyed digest of its wrapping token."""

    def add(self, **values: object) -> None:
        """Store one."""
        self._connection.execute(insert(wrapped_answers), values)

    def room(self, user_id: str, reserved_bytes: int) -> dict[str | None, tuple[int, int]]:
        """The number and bytes of answers for each of a person's topmost tokens (None: for sessions).

        A reservation counts as `reserved_bytes`.
        """
        blob = func.length(wrapped_answers.c.blob)
        size = func.sum(case((wrapped_answers.c.created_us == RESERVED, reserved_bytes), else_=blob))
        statement = select(wrapped_answers.c.token_id, func.count(), size).where(wrapped_answers.c.user_id == user_id)
        rows = self._connection.execute(statement.group_by(wrapped_answers.c.token_id))
        return {row[0]: (int(row[1]), int(row[2])) for row in rows}

    def fill(self, scope: bytes, **values: object) -> bool:
        """Store an answer in its reservation. Returns False if the reservation is gone."""
        reserved = (wrapped_answers.c.scope == scope) & (wrapped_answers.c.created_us == RESERVED)
        return self._connection.execute(update(wrapped_answers).where(reserved).values(values)).rowcount == 1

    def release(self, scope: bytes) -> None:
        """Delete a reservation."""
        reserved = (wrapped_answers.c.scope == scope) & (wrapped_answers.c.created_us == RESERVED)
        self._connection.execute(delete(wrapped_answers).where(reserved))

    def purge_of(self, user_id: str, now_us: int) -> None:
        """Delete a person's answers that have expired."""
        ended = (wrapped_answers.c.user_id == user_id) & (wrapped_answers.c.expires_us <= now_us)
        self._connection.execute(delete(wrapped_answers).where(ended))

    def find(self, scope: bytes, now_us: int) -> WrappedAnswer | None:
        """Return the answer under `scope`, unless it has expired."""
        row = self._connection.execute(select(wrapped_answers).where(_waiting(scope, now_us))).one_or_none()
        return None if row is None else WrappedAnswer(*row)

    def take(self, scope: bytes, now_us: int) -> WrappedAnswer | None:
        """Delete and return the answer. If several calls do this at once, only one gets it."""
        taken = delete(wrapped_answers).where(_waiting(scope, now_us)).returning(wrapped_answers)
        row = self._connection.execute(taken).one_or_none()
        return None if row is None else WrappedAnswer(*row)

    def purge(self, now_us: int) -> int:
        """Delete answers that were not fetched in time, and return how many."""
        return self._connection.execute(delete(wrapped_answers).where(wrapped_answers.c.expires_us <= now_us)).rowcount


def _waiting(scope: bytes, now_us: int) -> ColumnElement[bool]:
    is_stored = wrapped_answers.c.created_us != RESERVED
    return (wrapped_answers.c.scope == scope) & (wrapped_answers.c.expires_us > now_us) & is_stored


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker that is running, or that ran a short time ago."""

    id: str
    host: str
    pid: int
    knows_version: int
    state_version: int
    started_us: int
    lease_until_us: int
    release: str
    row_format: int

    @property
    def described(self) -> str:
        """Where the worker runs, and its release. Release 0.1.0 did not write its number."""
        return shown(f"{self.host} (process {self.pid}, release {self.release or '0.1.0'})")


class Workers(_Plain):
    """The live workers, and what each has loaded of the vault's keys."""

    def living(self, now_us: int) -> list[WorkerRow]:
        """Return workers whose lease has not expired."""
        living = select(workers).where(workers.c.lease_until_us > now_us)
        return [WorkerRow(*row) for row in self._connection.execute(living)]

    def older_than(self, row_format: int) -> list[WorkerRow]:
        """The workers that do not know this row format, by host and process."""
        older = select(workers).where(workers.c.row_format < row_format).order_by(workers.c.host, workers.c.pid)
        return [WorkerRow(*row) for row in self._connection.execute(older)]

    def beat(
        self, worker_id: str, host: str, pid: int, knows_version: int, state_version: int, now_us: int, lease_us: int
    ) -> None:
        """Renew a worker's lease. The row also has the worker's release and the newest row format that it knows."""
        row = {"id": worker_id, "host": host, "pid": pid, "started_us": now_us}
        row |= {"release": __version__, "row_format": SCHEMA_NUMBER}
        learned = {"knows_version": knows_version, "state_version": state_version}
        renewed = {**learned, "lease_until_us": now_us + lease_us}
        statement = upsert(self._connection, workers).values(**row, **renewed)
        self._connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=renewed))

    def leave(self, worker_id: str) -> None:
        """Delete a worker that ends normally."""
        self._connection.execute(delete(workers).where(workers.c.id == worker_id))

    def purge(self, before_us: int, after_us: int) -> int:
        """Delete workers whose lease expired before `before_us`, or ends after `after_us`.

        No worker takes so long a lease, so its clock was ahead. If it is alive, its next beat adds it again.
        """
        past = (workers.c.lease_until_us < before_us) | (workers.c.lease_until_us > after_us)
        return self._connection.execute(delete(workers).where(past)).rowcount


class Leases(_Plain):
    """Leases: which process runs a job now. Only one can, and every lease expires."""

    def take(self, name: str, holder: str, now_us: int, length_us: int) -> bool:
        """Take or renew the lease `name`. Returns False while another process holds it.

        A lease that ends later than any can was taken while a clock was ahead. It is ignored.
        """
        row = {"holder": holder, "until_us": now_us + length_us}
        statement = upsert(self._connection, leases).values(name=name, **row)
        free = (
            (leases.c.until_us <= now_us)
            | (leases.c.until_us > now_us + length_us + CLOCKS_DIFFER_US)
            | (leases.c.holder == holder)
        )
        taken = statement.on_conflict_do_update(index_elements=["name"], set_=row, where=free).returning(leases.c.name)
        return self._connection.execute(taken).one_or_none() is not None

    def until(self, name: str) -> int | None:
        """Return what `put` has stored under `name`."""
        return self._connection.execute(select(leases.c.until_us).where(leases.c.name == name)).scalar_one_or_none()

    def put(self, name: str, until_us: int) -> None:
        """Store a number under `name`. This is not a lease."""
        row = {"holder": "", "until_us": until_us}
        statement = upsert(self._connection, leases).values(name=name, **row)
        self._connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=row))

    def give_back(self, name: str) -> None:
        """Delete the lease `name`."""
        self._connection.execute(delete(leases).where(leases.c.name == name))
