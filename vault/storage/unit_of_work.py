"""A unit of work: one transaction, or one view for reading, with a repository for every table."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection

from vault.errors import DatabaseUnavailable, OutcomeUnknown, VaultLocked
from vault.model.clock import Clock, now_us  # noqa: TID251 - the default, for commands.
from vault.model.grant import Permission, Target
from vault.storage.database.driver import DriverConnections
from vault.storage.database.engine import (
    SQLITE_BUSY_SECONDS,
    is_refused,
    is_unavailable,
    make_engine,
    parse_url,
    translated,
    waiting_at_most,
)
from vault.storage.database.moment import one_moment
from vault.storage.database.renewal import Renewal
from vault.storage.database.same_file import SameFile
from vault.storage.database.session_limits import ORDINARY, SessionLimits
from vault.storage.retry import again
from vault.storage.rows import audit, keys
from vault.storage.rows.challenges import Challenges
from vault.storage.rows.changes import Changes
from vault.storage.rows.environments import Environments
from vault.storage.rows.feed import Feed
from vault.storage.rows.idempotency import Idempotency
from vault.storage.rows.leases import Leases
from vault.storage.rows.marks import Marks
from vault.storage.rows.revisions import Revisions
from vault.storage.rows.sessions import Sessions
from vault.storage.rows.throttle import Throttle
from vault.storage.rows.tickets import Tickets
from vault.storage.rows.tokens import Grants, Tokens
from vault.storage.rows.users import Credentials, KnownAddresses, Users
from vault.storage.rows.workers import Workers
from vault.storage.rows.wrapped_answers import WrappedAnswers
from vault.storage.signing.journal import Journal
from vault.storage.signing.row_formats import RowFormats
from vault.storage.signing.signed import RowSigner
from vault.storage.walks.shredding import Shredding

P = ParamSpec("P")
T = TypeVar("T")

_LOG_WAIT_MILLISECONDS = 500
"""The longest time that emptying the log waits for readers. Writers wait meanwhile."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A permission that this unit of work has checked. It is checked again before a stored answer is repeated."""

    permission: Permission
    target: Target


class UnitOfWork:
    """All repositories over one connection. `after_commit` collects what must happen only after the commit."""

    def __init__(self, connection: Connection, signer: RowSigner | None, clock: Clock) -> None:
        self.connection = connection
        self.clock = clock
        self._signer = signer
        self.journal = Journal()
        self.asked: list[Asked] = []
        self.abandoned = False
        self._after: list[Callable[[], None]] = []

    def use_signer(self, signer: RowSigner) -> None:
        """Sign and check with these keys from now on. For the transaction that makes a new vault."""
        self._signer = signer

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run `action` after the commit. It does not run if nothing is stored."""
        self._after.append(action)

    def abandon(self) -> None:
        """Store nothing of this unit of work, even if it ends without an error."""
        self.abandoned = True

    def run_after_commit(self) -> None:
        """Run the collected actions, in order."""
        for action in self._after:
            action()

    @property
    def signer(self) -> RowSigner:
        """The MAC keys. Raises `VaultLocked` while the vault's secrets are not loaded."""
        if self._signer is None:
            raise VaultLocked()
        return self._signer

    @cached_property
    def users(self) -> Users:
        return Users(self.connection, self.signer, self.journal)

    @cached_property
    def credentials(self) -> Credentials:
        return Credentials(self.connection, self.signer, self.journal)

    @cached_property
    def sessions(self) -> Sessions:
        return Sessions(self.connection, self.signer, self.journal)

    @cached_property
    def tokens(self) -> Tokens:
        return Tokens(self.connection, self.signer, self.journal)

    @cached_property
    def grants(self) -> Grants:
        return Grants(self.connection, self.signer, self.journal)

    @cached_property
    def environments(self) -> Environments:
        return Environments(self.connection, self.signer, self.journal)

    @cached_property
    def revisions(self) -> Revisions:
        return Revisions(self.connection, self.signer, self.journal)

    @cached_property
    def master_keys(self) -> keys.MasterKeys:
        return keys.MasterKeys(self.connection, self.signer, self.journal)

    @cached_property
    def user_keys(self) -> keys.UserKeys:
        return keys.UserKeys(self.connection, self.signer, self.journal)

    @cached_property
    def data_keys(self) -> keys.DataKeys:
        return keys.DataKeys(self.connection, self.signer, self.journal)

    @cached_property
    def destroyed_keys(self) -> keys.DestroyedKeys:
        return keys.DestroyedKeys(self.connection, self.signer, self.journal)

    @property
    def shredding(self) -> Shredding:
        return Shredding(self.connection, self.signer, self.journal)

    @cached_property
    def system_secrets(self) -> keys.SystemSecrets:
        return keys.SystemSecrets(self.connection, self.signer, self.journal)

    @cached_property
    def state(self) -> keys.VaultState:
        return keys.VaultState(self.connection, self.signer, self.journal)

    @cached_property
    def row_formats(self) -> RowFormats:
        return RowFormats(self.connection, self.signer, self.journal)

    @property
    def challenges(self) -> Challenges:
        return Challenges(self.connection)

    @property
    def known_addresses(self) -> KnownAddresses:
        return KnownAddresses(self.connection)

    @property
    def changes(self) -> Changes:
        return Changes(self.connection)

    @property
    def marks(self) -> Marks:
        return Marks(self.connection)

    @property
    def feed(self) -> Feed:
        return Feed(self.connection)

    @cached_property
    def audit_events(self) -> audit.AuditEvents:
        return audit.AuditEvents(self.connection, self.signer)

    @property
    def tickets(self) -> Tickets:
        return Tickets(self.connection)

    @property
    def audit_head(self) -> audit.AuditHead:
        return audit.AuditHead(self.connection)

    @cached_property
    def audit_pruned(self) -> audit.AuditPruned:
        return audit.AuditPruned(self.connection, self.signer, self.journal)

    @property
    def throttle(self) -> Throttle:
        return Throttle(self.connection)

    @property
    def idempotency(self) -> Idempotency:
        return Idempotency(self.connection)

    @property
    def wrapped_answers(self) -> WrappedAnswers:
        return WrappedAnswers(self.connection)

    @property
    def workers(self) -> Workers:
        return Workers(self.connection)

    @property
    def leases(self) -> Leases:
        return Leases(self.connection)


class Storage:
    """The database, and the clock of what is written to it.

    Reads and transactions have engines of their own. Nothing connects before the first use.
    """

    def __init__(
        self, url: str, *, pool_size: int = 8, limits: SessionLimits = ORDINARY, clock: Clock = now_us
    ) -> None:
        self.url = parse_url(url)
        self.clock = clock
        self.reading = make_engine(self.url, pool_size=pool_size, autocommit=True, limits=limits)
        self.writing = make_engine(self.url, pool_size=pool_size, autocommit=False, limits=limits)
        self._renewal = Renewal()
        self._renewal.watch(self.reading)
        self._renewal.watch(self.writing)
        self.driver = DriverConnections(self.reading, self._renewal)
        self.signer: RowSigner | None = None
        self._file = SameFile(self.url)
        # SQLite allows one writer. Its own wait polls and is not fair, so with 50 writers some would wait for ever.
        self._turn = threading.Lock() if self.url.get_backend_name() == "sqlite" else None
        self._thread = threading.local()

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a SQLite file."""
        return self._turn is not None

    @contextmanager
    def read(self) -> Iterator[UnitOfWork]:
        """Return a view for reading: each statement sees what is committed. Raises `DatabaseUnavailable`."""
        with translated(), self.reading.connect() as connection:
            yield UnitOfWork(connection, self.signer, self.clock)

    @contextmanager
    def at_one_moment(self) -> Iterator[UnitOfWork]:
        """Return a view for reading in which all statements see the same state. Raises `DatabaseUnavailable`."""
        with self.read() as unit, one_moment(unit.connection):
            yield unit

    def transaction(self, action: Callable[Concatenate[UnitOfWork, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return the result of `action(unit, *args)`, run in one transaction.

        Run it again from its start if other writers are faster. Raises `Unavailable` after the last try, and what
        `write` raises.
        """

        def once() -> T:
            with self.write() as unit:
                return action(unit, *args, **kwargs)

        return again(once)

    @contextmanager
    def write(self) -> Iterator[UnitOfWork]:
        """Run one transaction. It is stored as a whole when the block ends, or not at all if the block raises.

        A thread has one transaction at a time. Raises `DatabaseUnavailable` if nothing was stored, and
        `OutcomeUnknown` if the connection failed during the commit.
        """
        if getattr(self._thread, "writes", False):
            raise RuntimeError("This thread has a transaction already. Pass its unit of work on.")
        self._thread.writes = True
        try:
            with self._transaction() as unit:
                yield unit
        finally:
            self._thread.writes = False
        if not unit.abandoned:
            unit.run_after_commit()

    @contextmanager
    def _transaction(self) -> Iterator[UnitOfWork]:
        turn = self._turn
        if turn is not None:
            _take(turn)
        try:
            with translated(), self.writing.connect() as connection:
                self._file.require()
                transaction = connection.begin()
                unit = UnitOfWork(connection, self.signer, self.clock)
                try:
                    yield unit
                except BaseException:
                    transaction.rollback()
                    raise
                if unit.abandoned:
                    transaction.rollback()
                    return
                unit.marks.rise(unit.journal)
                _commit(connection, transaction)
                if not self.is_sqlite:
                    # A file has no standby. A new connection would make an empty file in place of one that was moved.
                    self._renewal.wrote(connection)
        finally:
            if turn is not None:
                turn.release()

    def empty_log(self) -> None:
        """Move SQLite's log into the database file and empty it, so that it has no deleted data.

        If other readers or writers prevent this, a later call does it. PostgreSQL manages its own log.
        """
        if not self.is_sqlite:
            return
        with (
            suppress(DatabaseUnavailable),
            translated(),
            self.reading.connect() as connection,
            waiting_at_most(connection, _LOG_WAIT_MILLISECONDS),
        ):
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()

    def close(self) -> None:
        """Close all connections."""
        self.driver.close()
        self.reading.dispose()
        self.writing.dispose()


def _take(turn: threading.Lock) -> None:
    # Wait as long as SQLite waits for another process. A longer wait would keep threads from readers.
    if not turn.acquire(timeout=SQLITE_BUSY_SECONDS):
        raise DatabaseUnavailable("Many others are writing at the same moment. Please try again.")


def _commit(connection: Connection, transaction: sa.RootTransaction) -> None:
    info = connection.connection.record_info
    try:
        transaction.commit()
    except sa.exc.DBAPIError as error:
        # SQLite reports reliably that it did not commit. Over a network, the result is unknown.
        if connection.dialect.name == "postgresql" and is_unavailable(error) and not is_refused(error):
            raise OutcomeUnknown() from error
        raise
    if info and info.pop("unsafe_commit", False):
        raise OutcomeUnknown("The standby did not confirm the change. It may be lost if the primary fails now.")
