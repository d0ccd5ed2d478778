"""Rows of the audit: events, the head of the tree, and the hashes of pruned events."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, cast

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, or_, select, tuple_, update
from sqlalchemy.sql import ColumnElement

from vault.model.action import Action
from vault.model.event import FOLDED, Event
from vault.storage.signing.repository import IDS_AT_ONCE, Repository
from vault.storage.signing.signed import RowSigner, SignedTable
from vault.storage.signing.signed_row import SignedRow
from vault.storage.sql_types import ColumnValue, RawRow
from vault.storage.tables import audit_events, audit_head, audit_pruned

_COLUMNS = [audit_events.c[name] for name in Event._fields]
_WIDTH = len(_COLUMNS)
_ALL_NAMES = (*Event._fields, "sequence", "mac_key_id", "mac")
_NAME_LIST = ", ".join(_ALL_NAMES)
_PLACE = struct.Struct(">Q")
_BATCH = 5000


@dataclass(frozen=True, slots=True)
class Placed:
    """An event, the hash of its leaf, and its position in the tree (None before it has one)."""

    event: Event
    leaf: bytes
    sequence: int | None


class StoredEvent(NamedTuple):
    """A stored event that has a position: the columns of `Event`, then its position and its MAC.

    It is a tuple, because `audit verify` reads a hundred thousand of them in a second.
    """

    id: str
    at_us: int
    user_id: str | None
    actor_id: str | None
    actor: str
    action: str
    result: str
    environment_id: str | None
    revision: int | None
    blob_sha256: bytes | None
    request_id: str
    details: str
    rows: str
    address: str
    names: str
    salt: bytes | None
    commitment: bytes
    sequence: int
    mac_key_id: str
    mac: bytes

    @property
    def event(self) -> Event:
        """Return only the event."""
        return Event._make(self[:_WIDTH])


@dataclass(frozen=True, slots=True)
class WaitingEvent:
    """A stored event that has no position yet, with its MAC."""

    event: Event
    mac_key_id: str
    mac: bytes


@dataclass(frozen=True, slots=True)
class Seen:
    """An event and its place in the tree, or None if it has none yet."""

    event: Event
    sequence: int | None


@dataclass(frozen=True, slots=True)
class TreeHead:
    """The size of the tree, its right edge, its signed note, and the position up to which events were forwarded."""

    size: int
    edge: bytes
    note: str
    forwarded: int


@dataclass(frozen=True, slots=True)
class VariableSpan:
    """An environment had a variable from one revision and time on, up to others (None: it still has it)."""

    environment_id: str
    first_revision: int
    end_revision: int | None
    since_us: int
    until_us: int | None


@dataclass(frozen=True, slots=True)
class About:
    """What concerns one variable: events with one of these digests, and reads of everything that an environment had."""

    digests: tuple[str, ...]
    held: tuple[VariableSpan, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """The events to find. A field that is None does not limit the search."""

    user_id: str | None = None
    actor: str | None = None
    action: str | None = None
    result: str | None = None
    environment_id: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    about: About | None = None


class AuditEvents:
    """Audit events. A row is written in the transaction of its action, or when a spool is drained."""

    def __init__(self, connection: Connection, signer: RowSigner) -> None:
        self._connection = connection
        self._signer = signer

    def add(self, events: Sequence[Placed]) -> None:
        """Write events, in the fewest steps that the database has for many rows."""
        rows = [(*placed.event, placed.sequence, *self._signer.stamp(_stamped(placed))) for placed in events]
        if len(rows) > 1 and self._connection.dialect.name == "postgresql":
            self._copy(rows)
            return
        if len(rows) > 1:
            # Use the driver directly: SQLAlchemy needs as long to prepare the rows as SQLite to store them.
            marks = ", ".join("?" * len(_ALL_NAMES))
            statement = f"INSERT INTO audit_events ({_NAME_LIST}) VALUES ({marks})"  # noqa: S608 - names of our own.
            self._connection.exec_driver_sql(statement, rows)
            return
        for row in rows:
            self._connection.execute(insert(audit_events), dict(zip(_ALL_NAMES, row, strict=True)))

    def place(self, events: Sequence[Placed]) -> None:
        """Give positions to events that are already stored."""
        statement = update(audit_events).where(audit_events.c.id == bindparam("event"))
        changes = [_place_columns(placed, self._signer) for placed in events]
        if changes:
            self._connection.execute(statement, changes)

    def vouched(self, placed: Placed, mac_key_id: str, mac: bytes) -> bool | None:
        """Report whether the MAC is this vault's for this leaf at this position, or None if its key is not known."""
        return self._signer.vouches(_stamped(placed), mac_key_id, mac)

    def known(self, ids: Sequence[str]) -> set[str]:
        """Return those of `ids` that are already stored."""
        found: set[str] = set()
        for start in range(0, len(ids), IDS_AT_ONCE):
            some = audit_events.c.id.in_(ids[start : start + IDS_AT_ONCE])
            found.update(self._connection.execute(select(audit_events.c.id).where(some)).scalars())
        return found

    def has_waiting(self) -> bool:
        """Report whether an event has no position in the tree yet."""
        return self._connection.execute(select(audit_events.c.id).where(_WAITING).limit(1)).first() is not None

    def waiting(self, after: tuple[int, str] | None = None, limit: int = _BATCH) -> list[WaitingEvent]:
        """Return events without a position, with their MACs, oldest first."""
        order = (audit_events.c.at_us, audit_events.c.id)
        statement = select(*_COLUMNS, audit_events.c.mac_key_id, audit_events.c.mac).where(_WAITING)
        if after is not None:
            statement = statement.where(tuple_(*order) > after)
        rows = self._connection.execute(statement.order_by(*order).limit(limit))
        return [WaitingEvent(Event._make(row[:_WIDTH]), *row[_WIDTH:]) for row in rows]

    def in_order(self, first: int = 0, limit: int | None = None) -> Iterator[Iterator[StoredEvent]]:
        """Yield all events with a position, in batches, by position from `first` on. Read each batch once.

        This uses the driver's cursor, because SQLAlchemy's rows would take half of a verification's time.
        """
        statement = (
            select(*_COLUMNS, audit_events.c.sequence, audit_events.c.mac_key_id, audit_events.c.mac)
            .where(audit_events.c.sequence >= bindparam("first"), audit_events.c.sequence < bindparam("end"))
            .order_by(audit_events.c.sequence)
        )
        compiled = str(statement.compile(dialect=self._connection.dialect))
        is_sqlite = self._connection.dialect.name == "sqlite"
        cursor = self._connection.connection.cursor()

        def fetch(place: int) -> Sequence[RawRow]:
            until = min(place + _BATCH, end)
            cursor.execute(compiled, (place, until) if is_sqlite else {"first": place, "end": until})
            rows: Sequence[RawRow] = cursor.fetchall()
            return rows

        # Read pages between two positions instead of using one long cursor, which would hold a snapshot for minutes.
        # Don't use LIMIT: without statistics, PostgreSQL sorts the whole rest for every page. PostgreSQL reads the next
        # page while one is used; SQLite would do that in this process, so it would gain nothing.
        end = 2**63 - 1 if limit is None else first + limit
        place: int | None = first
        coming: Future[Sequence[RawRow]] | None = None
        with ThreadPoolExecutor(1) as ahead, closing(cursor):
            while place is not None and place < end:
                rows, following = coming.result() if coming is not None else fetch(place), place + _BATCH
                # After a prune or a forgery, positions may be far apart. Skip the gap instead of reading empty pages.
                has_more = following < end
                place = self._first_place(following, end) if has_more and not rows else following
                coming = ahead.submit(fetch, following) if has_more and rows and not is_sqlite else None
                if rows:
                    # Make one event at a time. Python's garbage collector never stops tracking a named tuple, so a list
                    # of them makes it run often: `audit verify` would take a quarter longer.
                    yield map(_stored, rows)

    def _first_place(self, first: int, end: int) -> int | None:
        """Return the lowest position from `first` on that an event has."""
        between = (audit_events.c.sequence >= first, audit_events.c.sequence < end)
        place: int | None = self._connection.execute(
            select(func.min(audit_events.c.sequence)).where(*between)
        ).scalar_one()
        return place

    def time_of(self, place: int) -> int | None:
        """Return when the first event at or after position `place` happened, or None."""
        behind = select(audit_events.c.at_us).where(audit_events.c.sequence >= place)
        found: int | None = self._connection.execute(behind.order_by(audit_events.c.sequence).limit(1)).scalar()
        return found

    def last_place(self) -> int | None:
        """Return the highest position that an event has."""
        place: int | None = self._connection.execute(select(func.max(audit_events.c.sequence))).scalar_one()
        return place

    def page(self, search: Search, before: tuple[int, str] | None, limit: int) -> list[Seen]:
        """Return the events that match, newest first, older than a position in that order."""
        order = (audit_events.c.at_us, audit_events.c.id)
        statement = select(*_COLUMNS, audit_events.c.sequence).where(*_conditions(search))
        if before is not None:
            statement = statement.where(tuple_(*order) < before)
        ordered = statement.order_by(*(column.desc() for column in order))
        rows = self._connection.execute(ordered.limit(limit))
        return [Seen(Event._make(row[:_WIDTH]), row[_WIDTH]) for row in rows]

    def writes_of(self, name_digests: tuple[str, ...]) -> list[Event]:
        """Return the events that changed a variable with one of these digests, oldest first, with what they did to it.

        Events with too many variables to name each one are included, because they may have changed it.
        """
        statement = select(*_COLUMNS).where(_names(name_digests), audit_events.c.blob_sha256.is_not(None))
        rows = self._connection.execute(statement.order_by(audit_events.c.at_us))
        return [Event._make(row) for row in rows]

    def forget(self, user_id: str) -> int:
        """Erase addresses and names from all events of a person. Their commitments in the tree are kept."""
        theirs = or_(audit_events.c.user_id == user_id, audit_events.c.actor_id == user_id)
        erased = update(audit_events).where(theirs, audit_events.c.salt.is_not(None))
        return self._connection.execute(erased.values(salt=None, address="", names="")).rowcount

    def remove(self, first: int, end: int) -> None:
        """Delete the events in these positions. Their hashes are in `audit_pruned`."""
        self._connection.execute(
            delete(audit_events).where(audit_events.c.sequence >= first, audit_events.c.sequence < end)
        )

    def erasures(self) -> set[str]:
        """Return the ids of the people whose erasure was recorded."""
        statement = select(audit_events.c.user_id).where(audit_events.c.action == Action.USER_ERASE)
        return {user_id for user_id in self._connection.execute(statement).scalars() if user_id}

    def _copy(self, rows: Iterable[RawRow]) -> None:
        cursor = self._connection.connection.cursor()
        with cursor, cursor.copy(f"COPY audit_events ({_NAME_LIST}) FROM STDIN") as copy:  # type: ignore[attr-defined] # psycopg's
            for row in rows:
                copy.write_row(row)


class AuditHead:
    """The one row that says how far the tree has grown. Its note is signed, and protects the other columns."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, edge: bytes, note: str) -> None:
        """Store the head of an empty tree."""
        self._connection.execute(insert(audit_head).values(id=1, size=0, edge=edge, note=note, forwarded=0))

    def get(self, *, lock: bool = False) -> TreeHead | None:
        """Return the head. `lock` keeps others from adding to the tree until the transaction ends."""
        statement = select(audit_head.c.size, audit_head.c.edge, audit_head.c.note, audit_head.c.forwarded)
        row = self._connection.execute(statement.with_for_update() if lock else statement).one_or_none()
        return None if row is None else TreeHead(*row)

    def move(self, size: int, edge: bytes, note: str) -> None:
        """Store the new head after the tree has grown."""
        self._connection.execute(update(audit_head).values(size=size, edge=edge, note=note))

    def forwarded(self, place: int) -> None:
        """Store that events before position `place` have been forwarded."""
        self._connection.execute(update(audit_head).where(audit_head.c.forwarded < place).values(forwarded=place))


@dataclass(frozen=True, slots=True)
class PrunedHashes(SignedRow):
    """The hashes of consecutive pruned leaves."""

    first: int
    hashes: bytes


class AuditPruned(Repository[PrunedHashes]):
    """The hashes of pruned leaves. They are signed: otherwise an event could be hidden as a pruned one."""

    noun = PrunedHashes
    signed = SignedTable(audit_pruned)

    def list(self, first: int = 0) -> list[PrunedHashes]:
        """Return all runs of hashes, by position."""
        return self.all(select(audit_pruned).where(audit_pruned.c.first >= first).order_by(audit_pruned.c.first))


_WAITING = audit_events.c.sequence.is_(None)

_stored = cast("Callable[[RawRow], StoredEvent]", partial(tuple.__new__, StoredEvent))
"""Makes an event from a row of its columns. `StoredEvent._make` would take nearly twice as long."""


def _stamped(placed: Placed) -> bytes:
    if placed.sequence is None:
        return b"new" + placed.leaf
    return b"at " + _PLACE.pack(placed.sequence) + placed.leaf


def _place_columns(placed: Placed, signer: RowSigner) -> dict[str, ColumnValue]:
    key_id, mac = signer.stamp(_stamped(placed))
    return {"event": placed.event.id, "sequence": placed.sequence, "mac_key_id": key_id, "mac": mac}


def _conditions(search: Search) -> list[ColumnElement[bool]]:
    names = ("user_id", "actor", "action", "result", "environment_id")
    asked = [(audit_events.c[name], getattr(search, name)) for name in names]
    conditions: list[ColumnElement[bool]] = [column == wanted for column, wanted in asked if wanted is not None]
    if search.since_us is not None:
        conditions.append(audit_events.c.at_us >= search.since_us)
    if search.until_us is not None:
        conditions.append(audit_events.c.at_us < search.until_us)
    if search.about is not None:
        conditions.append(or_(_names(search.about.digests), *map(_read_whole, search.about.held)))
    return conditions


def _names(digests: tuple[str, ...]) -> ColumnElement[bool]:
    """Match events that name one of these variables, and events with too many variables to name each one."""
    return or_(audit_events.c.names.contains(FOLDED), *(audit_events.c.names.contains(digest) for digest in digests))


def _read_whole(held: VariableSpan) -> ColumnElement[bool]:
    """Match reads without variable names, of the environment itself or of one above it."""
    whole = and_(audit_events.c.names == "", audit_events.c.blob_sha256.is_(None), audit_events.c.rows == "")
    own = and_(audit_events.c.environment_id == held.environment_id, audit_events.c.revision >= held.first_revision)
    beneath = and_(audit_events.c.details.contains(held.environment_id), audit_events.c.at_us >= held.since_us)
    if held.end_revision is not None and held.until_us is not None:
        own = and_(own, audit_events.c.revision < held.end_revision)
        beneath = and_(beneath, audit_events.c.at_us < held.until_us)
    return and_(whole, or_(own, beneath))
