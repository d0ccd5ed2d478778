"""The tree: every event gets a place in one order for the whole vault, and a signed checkpoint covers all.

To add to the tree, a transaction locks its head row, so two events never get the same place. The job's lease only keeps
workers from waiting for each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from vault.crypto.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint, verifier_key
from vault.crypto.key import Key
from vault.crypto.merkle import EMPTY_ROOT, Frontier
from vault.errors import IntegrityError
from vault.model.event import Event
from vault.observe import metrics
from vault.services.audit.record import hash_of
from vault.services.own.instance import Instance
from vault.storage import Placed, UnitOfWork, WaitingEvent

log = structlog.get_logger(__name__)

PURPOSE = "checkpoint"
"""The purpose of the system secret whose 32 bytes are the Ed25519 seed that signs checkpoints."""


def origin_of(instance_id: str) -> str:
    """Return the name of this vault in checkpoints."""
    return f"strongroom/{instance_id}"


def plant(unit: UnitOfWork, instance_id: str, key: Key) -> None:
    """Create the tree of a new vault."""
    unit.audit_head.add(b"", sign_checkpoint(key, Checkpoint(origin_of(instance_id), 0, EMPTY_ROOT)))


class AuditTree:
    """The tree of one vault."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self.origin = origin_of(instance.id)
        self._trusted = ("", b"")
        self._largest = 0
        self._told_of: set[str] = set()

    @property
    def verifier_key(self) -> str:
        """The public key that verifies checkpoints, in the form for tools for signed notes."""
        return verifier_key(self.origin, self._instance.secret(PURPOSE))

    def checkpoint(self, unit: UnitOfWork) -> str:
        """Return the newest signed checkpoint. Raises `IntegrityError` if the head was changed."""
        note, _ = self.head(unit)
        return note

    def open(self, note: str) -> Checkpoint:
        """Return the checkpoint in a note of this vault. Raises `SignatureError`."""
        return open_checkpoint(note, self.origin, self._instance.secrets_of(PURPOSE))

    def head(self, unit: UnitOfWork, *, lock: bool = False) -> tuple[str, Frontier]:
        """Return the signed note and the tree's edge. Raises `IntegrityError`, `SignatureError`."""
        row = unit.audit_head.get(lock=lock)
        if row is None:
            raise IntegrityError()
        frontier = Frontier.unpack(row.size, row.edge)
        if (row.note, row.edge) != self._trusted:
            found = self.open(row.note)
            if (found.size, found.root) != (frontier.size, frontier.root()):
                raise IntegrityError()
        if frontier.size < self._largest:
            # This process has seen a larger tree, so an older head was put back. Do not add to it.
            metrics().integrity_errors.labels(kind="audit").inc()
            log.error("audit_head_is_older", size=frontier.size, seen=self._largest)
            raise IntegrityError()
        return row.note, frontier

    def append(self, unit: UnitOfWork, events: Sequence[Event]) -> None:
        """Store new events with their places."""
        _, frontier = self.head(unit, lock=True)
        unit.audit_events.add(_placed(frontier, [(event, hash_of(event)) for event in events]))
        self._grow(unit, frontier)

    def sequence(self, unit: UnitOfWork) -> int:
        """Give tree positions to the events that were stored with changes. Returns how many.

        An event that this vault did not write gets no position. It stays and is logged.
        """
        _, frontier = self.head(unit, lock=True)
        count, after = 0, None
        while page := unit.audit_events.waiting(after):
            genuine = [pair for row in page if (pair := self._genuine(unit, row)) is not None]
            unit.audit_events.place(_placed(frontier, genuine))
            count, after = count + len(genuine), (page[-1].event.at_us, page[-1].event.id)
        if count:
            self._grow(unit, frontier)
        return count

    def _genuine(self, unit: UnitOfWork, row: WaitingEvent) -> tuple[Event, bytes] | None:
        event, leaf = row.event, hash_of(row.event)
        if unit.audit_events.vouched(Placed(event, leaf, None), row.mac_key_id, row.mac):
            return event, leaf
        if event.id not in self._told_of:
            self._told_of.add(event.id)
            metrics().integrity_errors.labels(kind="audit").inc()
            log.error("audit_event_forged", event_id=event.id)
        return None

    def _grow(self, unit: UnitOfWork, frontier: Frontier) -> None:
        checkpoint = Checkpoint(self.origin, frontier.size, frontier.root())
        note = sign_checkpoint(self._instance.secret(PURPOSE), checkpoint)
        unit.audit_head.move(frontier.size, frontier.pack(), note)

        def remember() -> None:
            self._trusted, self._largest = (note, frontier.pack()), frontier.size

        unit.after_commit(remember)


def _placed(frontier: Frontier, events: Sequence[tuple[Event, bytes]]) -> list[Placed]:
    placed = []
    for event, leaf in events:
        placed.append(Placed(event, leaf, frontier.size))
        frontier.add(leaf)
    return placed
