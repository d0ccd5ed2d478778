"""`audit verify`: checks that the trail is unchanged, and that no signed row is older than the trail says.

    every event ─► leaf ─► root of the tree  =  the root that the newest checkpoint, and the one that is given, sign
    rows that events have written           ─►  the rows in the tables

The roots show that something was changed. The MAC of each event shows which one, so MACs are only checked if a root
is wrong.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from vault.crypto.checkpoint import Checkpoint, is_checkpoint, unproven_checkpoint
from vault.crypto.merkle import HASH_BYTES, Frontier
from vault.errors import IntegrityError, InvalidInput, MacError, SignatureError
from vault.model.clock import as_datetime
from vault.model.event import commit
from vault.services.audit.authority import Authority
from vault.services.audit.record import hash_of
from vault.services.audit.tree import AuditTree
from vault.services.pace import Progress, no_progress
from vault.storage import Placed, Readable, StoredEvent, UnitOfWork

_UNLIKE_OURS = (TypeError, ValueError, AttributeError)
"""Errors from a SQLite column that contains a value of another type."""
_NEAR = 1000
"""How many places around a bad event are tried for the one where it belongs."""


@dataclass(slots=True)
class VerifyReport:
    """What was checked, and the faults in order."""

    size: int = 0
    pruned: int = 0
    erased: int = 0
    waiting: int = 0
    rows: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


class Verifier:
    """Verifies the trail of one vault."""

    def __init__(self, storage: Readable, tree: AuditTree) -> None:
        self._storage = storage
        self._tree = tree

    def verify(
        self,
        exported: str | None = None,
        progress: Progress = no_progress,
        *,
        is_trusted: bool = False,
    ) -> VerifyReport:
        """Check everything. `exported` is a checkpoint from elsewhere; `is_trusted` skips the check of its signature.

        Raises `InvalidInput` for a text that is not a checkpoint, and for a checkpoint that this vault has not signed
        with a key that is still valid.
        """
        started = time.perf_counter()
        report, authority = VerifyReport(), Authority()
        kept = self._exported(exported, is_trusted)
        with self._storage.read() as unit:
            size = self._walk(unit, kept, authority, report, progress)
            self._compare(unit, size, authority, report)
        report.seconds = time.perf_counter() - started
        return report

    def faults_of_events(self) -> list[str]:
        """Return the faults of the events up to the head of the tree, in order, without checking other rows."""
        report = VerifyReport()
        with self._storage.read() as unit:
            self._walk(unit, None, Authority(), report, no_progress)
        return report.faults

    def _exported(self, note: str | None, is_trusted: bool) -> Checkpoint | None:
        if note is None:
            return None
        try:
            return self._tree.open(note)
        except SignatureError as error:
            if not is_checkpoint(note):
                raise InvalidInput(_NOT_ONE) from error
            with contextlib.suppress(SignatureError):
                found = unproven_checkpoint(note, self._tree.origin)
                if is_trusted:
                    return found
                raise InvalidInput(_REPLACED) from error
            raise InvalidInput(SignatureError.sentence) from error

    def _walk(
        self, unit: UnitOfWork, kept: Checkpoint | None, authority: Authority, report: VerifyReport, progress: Progress
    ) -> int:
        """Hash every event up to the head, and compare the roots. Returns the size of the head."""
        try:
            note, edge = self._tree.head(unit)
            head = self._tree.open(note)
        except IntegrityError:
            report.faults.append("The head of the tree is missing, or this vault has not signed it.")
            head, edge = None, Frontier()
        walk = _Walk(unit, authority, report, {mark.size: mark for mark in (head, kept) if mark is not None})
        for rows in unit.audit_events.in_order(0, edge.size):
            walk.events(rows)
            progress(walk.frontier.size, edge.size)
            if walk.is_broken:
                break
        walk.end(edge.size)
        report.size = edge.size
        if walk.has_wrong_root or walk.is_broken:
            named = _first_changed(unit, edge.size)
            if named is None and walk.has_wrong_root:
                named = _OTHER_HISTORY.format(size=walk.wrong_size)
            report.faults[:0] = [named] if named is not None else []
        if kept is not None and kept.size > edge.size:
            report.faults.append(_CUT.format(here=edge.size, there=kept.size))
        self._check_erased(unit, walk.erased, report)
        return edge.size

    def _check_erased(
        self, unit: UnitOfWork, erased: dict[tuple[str | None, str | None], str], report: VerifyReport
    ) -> None:
        known = unit.audit_events.erasures()
        for people, event_id in erased.items():
            if known.isdisjoint(people):
                report.faults.append(f"Address and names of event {event_id} are missing, but no person was erased.")

    def _compare(self, unit: UnitOfWork, size: int, authority: Authority, report: VerifyReport) -> None:
        """Compare the tables with everything that was noted, and with events that have no place yet."""
        report.waiting = self._note_newest(unit, size, authority, report.faults)
        self._check_behind_head(unit, report)
        suspects, untold = authority.suspects(unit)
        report.faults += suspects
        report.rows = authority.compared
        # A row that is newer than the last look has an event that is also newer.
        self._note_newest(unit, size, authority, [])
        report.faults += [sentence for row in untold if (sentence := authority.untold(row)) is not None]

    def _note_newest(self, unit: UnitOfWork, size: int, authority: Authority, faults: list[str]) -> int:
        """Note the events after place `size`, and those without a place. Returns the number of the latter."""
        for rows in unit.audit_events.in_order(size):
            _note_all(rows, authority)
        after, count = None, 0
        while page := unit.audit_events.waiting(after):
            for row in page:
                event = row.event
                if unit.audit_events.vouched(Placed(event, hash_of(event), None), row.mac_key_id, row.mac):
                    count += 1
                    if event.rows:
                        authority.note(event.rows)
                else:
                    faults.append(f"Event {event.id} has no place yet, and this vault did not write it in this form.")
            after = (page[-1].event.at_us, page[-1].event.id)
        return count

    def _check_behind_head(self, unit: UnitOfWork, report: VerifyReport) -> None:
        last = unit.audit_events.last_place()
        row = unit.audit_head.get()
        if row is not None and last is not None and last >= row.size:
            report.faults.append(f"Event {last} is beyond the head of the tree, which has {row.size} events.")


class _Walk:
    """One pass through the events, in order."""

    def __init__(
        self, unit: UnitOfWork, authority: Authority, report: VerifyReport, marks: dict[int, Checkpoint]
    ) -> None:
        self.frontier = Frontier()
        self.erased: dict[tuple[str | None, str | None], str] = {}
        """The owner and actor of each event without a salt, with the id of one such event."""
        self.is_broken = False
        self.has_wrong_root = False
        self.wrong_size = 0
        self._unit = unit
        self._authority = authority
        self._report = report
        self._marks = marks
        self._pruned = self._runs(0)

    def events(self, rows: Iterable[StoredEvent]) -> None:
        """Add rows of events, in the order of their places."""
        frontier, marks = self.frontier, self._marks
        for row in rows:
            if row.sequence != frontier.size and not self._fill(row.sequence):
                self._break(f"Event {frontier.size} is missing.")
                return
            if frontier.size in marks:
                self._check_root()
            try:
                self._add(row)
            except _UNLIKE_OURS:
                self._break(f"Event {row.sequence} is not as it was written.")
                return

    def _add(self, row: StoredEvent) -> None:
        salt = row.salt
        if salt is None:
            self._report.erased += 1
            self.erased.setdefault((row.user_id, row.actor_id), row.id)
        elif commit(salt, row.address, row.names) != row.commitment:
            self._report.faults.append(f"{_named(row)}: its address or its names were changed.")
        self.frontier.add(hash_of(row))
        if rows := row.rows:
            self._authority.note(rows)

    def end(self, size: int) -> None:
        """Finish: there must be `size` events."""
        if self.is_broken:
            return
        if self._fill(size):
            self._check_root()
        else:
            self._break(f"Event {self.frontier.size} is missing.")

    def _fill(self, place: int) -> bool:
        """Add the hashes of events that were pruned before `place`. Returns whether none is missing."""
        while self.frontier.size < place:
            hashes = next(self._pruned, None)
            if hashes is None:
                # A prune may be running at the same time.
                self._pruned = self._runs(self.frontier.size)
                hashes = next(self._pruned, None)
            if hashes is None:
                return False
            for start in range(0, len(hashes), HASH_BYTES):
                self._check_root()
                self.frontier.add(hashes[start : start + HASH_BYTES])
                self._report.pruned += 1
        return self.frontier.size == place

    def _runs(self, place: int) -> Iterator[bytes]:
        try:
            runs = {row.first: bytes(row.hashes) for row in self._unit.audit_pruned.list(place)}
        except MacError:
            self._report.faults.append("The hashes of pruned events were changed.")
            return
        while self.frontier.size in runs:
            yield runs[self.frontier.size]

    def _check_root(self) -> None:
        mark = self._marks.get(self.frontier.size)
        if mark is not None and mark.root != self.frontier.root() and not self.has_wrong_root:
            self.has_wrong_root, self.wrong_size = True, mark.size

    def _break(self, sentence: str) -> None:
        self.is_broken = True
        self._report.faults.append(sentence)


def _first_changed(unit: UnitOfWork, size: int) -> str | None:
    """Return the first event whose MAC is wrong for its place; None if every MAC is right."""
    unknown: str | None = None
    for rows in unit.audit_events.in_order(0, size):
        for row in rows:
            try:
                placed = Placed(row.event, hash_of(row), row.sequence)
            except _UNLIKE_OURS:
                return f"Event {row.sequence} is not as it was written."
            is_ours = unit.audit_events.vouched(placed, row.mac_key_id, row.mac)
            if is_ours is None and unknown is None:
                unknown = f"{_named(row)} or a later one is not as it was written."
            if is_ours is False:
                return _misplaced(unit, row, size)
    return unknown


def _misplaced(unit: UnitOfWork, row: StoredEvent, size: int) -> str:
    name, event, leaf = _named(row), row.event, hash_of(row)
    for other in range(max(0, row.sequence - _NEAR), min(size, row.sequence + _NEAR)):
        if unit.audit_events.vouched(Placed(event, leaf, other), row.mac_key_id, row.mac):
            return f"{name} belongs in place {other}: events were moved, added or removed."
    return f"{name} is not as it was written, or was never written here."


def _note_all(rows: Iterable[StoredEvent], authority: Authority) -> None:
    for row in rows:
        if row.rows:
            authority.note(row.rows)


def _named(row: StoredEvent) -> str:
    moment = as_datetime(row.at_us)
    return f"Event {row.sequence} ({row.id}, {row.action}, {moment:%Y-%m-%d %H:%M:%SZ})"


_NOT_ONE = (
    "This file is not a checkpoint, so nothing was compared with it. `strongroom audit checkpoint -o FILE` writes one."
)
_REPLACED = (
    "This checkpoint names this vault, but is not signed with a key that is still valid. If it was made before a "
    "reseal, this is expected: the reseal has replaced the key, and a leaked key can sign anything. If nobody could "
    "change the file, compare it with --trust-file. Then keep a new one: `strongroom audit checkpoint`."
)
_OTHER_HISTORY = (
    "The first {size} events are not those of the checkpoint, although this vault wrote each of them: an older "
    "database was put in place and used since."
)
_CUT = (
    "There are {here} events, but the checkpoint has {there}: the end of the trail was cut, or the whole "
    "database is an older one."
)
