"""Forwards events to standard output, a file or syslog: one JSON line each, and sometimes a signed checkpoint.

An attacker of this vault cannot change what has been forwarded. If the stream is kept elsewhere, it is the record that
`audit verify --checkpoint` needs. Each event is sent at least once, in order; its place reveals repeats.

An event that is too large for its target is sent shortened, with the SHA-256 of the whole line. After a failure, the
pause before the next try doubles, up to a minute. No event is skipped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

import structlog

from vault.model.clock import SECOND_US, Clock, rfc3339
from vault.model.event import Event
from vault.model.json_types import JsonObject
from vault.observe import metrics
from vault.services.audit.targets import Target
from vault.storage import Storage, StoredEvent

log = structlog.get_logger(__name__)

STUCK_US = 300 * SECOND_US
"""Readiness and `doctor` report a backlog after this long without progress."""

_CHECKPOINT_US = 60 * SECOND_US
_BATCH = 1000
_BATCHES_MOST = 20
"""The most batches in one call, because it runs under a lease."""
_PAUSE_LEAST_US, _PAUSE_MOST_US = SECOND_US, 60 * SECOND_US
_KEPT_WHEN_CUT = (
    "sequence", "id", "at", "at_us", "action", "result", "actor", "user_id", "actor_id", "environment_id", "revision",
    "address", "request_id", "blob_sha256", "salt", "commitment",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Backlog:
    """The number of events that are not forwarded yet, and the time of the oldest."""

    events: int
    oldest_us: int

    def seconds(self, now_us: int) -> float:
        """Return the age of the oldest event."""
        return max(0.0, (now_us - self.oldest_us) / SECOND_US)


class Forwarder:
    """Sends new events to a target. Without a target (None) it does nothing."""

    def __init__(self, target: Target | None, name: str, storage: Storage, clock: Clock) -> None:
        self._target = target
        self._name = name
        self._storage = storage
        self._clock = clock
        self._next_checkpoint_us = 0
        self._next_try_us = 0
        self._pause_us = 0
        self._failure = ""
        self._seen = (-1, 0)
        """The place up to which events are forwarded, and the time when it last changed."""
        self._backlog: Backlog | None = None

    def look(self) -> Backlog | None:
        """Return the backlog, which also goes to the metrics. None if there is none, or no target."""
        if self._target is None:
            return None
        now = self._clock()
        with self._storage.read() as unit:
            head = unit.audit_head.get()
            self._backlog = None
            if head is not None and head.forwarded < head.size:
                oldest_us = unit.audit_events.time_of(head.forwarded)
                self._backlog = Backlog(head.size - head.forwarded, now if oldest_us is None else oldest_us)
        place = head.forwarded if head is not None else 0
        if self._backlog is None or place != self._seen[0]:
            self._seen = (place, now)
        metrics().forward_waiting.set(self._backlog.events if self._backlog else 0)
        metrics().forward_oldest.set(self._backlog.seconds(now) if self._backlog else 0)
        return self._backlog

    def trouble(self) -> str | None:
        """Return a sentence for operators if nothing was forwarded for minutes, by the last `look`; otherwise None."""
        if self._backlog is None or self._clock() - self._seen[1] < STUCK_US:
            return None
        sentence = stuck(self._name, self._backlog, self._clock())
        return f"{sentence} The last error: {self._failure}" if self._failure else sentence

    def forward(self) -> int:
        """Send events that were not sent yet, up to the limit of one call. Returns how many.

        A failure is logged and counted, and a later call tries again.
        """
        if self._target is None or self._clock() < self._next_try_us:
            return 0
        try:
            count = self._forward(self._target)
        except OSError as error:
            self._failed(error)
            return 0
        if self._failure and count:
            log.info("audit_forward_resumed", target=self._name)
        if count:
            self._failure, self._pause_us = "", 0
        return count

    def close(self) -> None:
        """Close the connection to the target."""
        if self._target is not None:
            self._target.close()

    def _forward(self, target: Target) -> int:
        with self._storage.read() as unit:
            head = unit.audit_head.get()
            if head is None or head.forwarded >= head.size:
                return 0
            first, end = head.forwarded, min(head.size, head.forwarded + _BATCH * _BATCHES_MOST)
            for page in unit.audit_events.in_order(first, end - first):
                rows = list(page)
                for start in range(0, len(rows), _BATCH):
                    some = rows[start : start + _BATCH]
                    metrics().forward_cut.inc(target.send([json_line(row) for row in some]))
                    self._remember(some[-1].sequence + 1)
        # The last places may have been pruned, so there was nothing to send for them.
        self._remember(end)
        self._send_checkpoint(target, head.note)
        return end - first

    def _remember(self, place: int) -> None:
        with self._storage.write() as unit:
            unit.audit_head.forwarded(place)

    def _send_checkpoint(self, target: Target, note: str) -> None:
        now = self._clock()
        if now >= self._next_checkpoint_us:
            target.send([json.dumps({"checkpoint": note}, ensure_ascii=False)])
            self._next_checkpoint_us = now + _CHECKPOINT_US

    def _failed(self, error: OSError) -> None:
        self._pause_us = min(_PAUSE_MOST_US, max(_PAUSE_LEAST_US, self._pause_us * 2))
        self._next_try_us = self._clock() + self._pause_us
        metrics().forward_failures.inc()
        reason = f"{type(error).__name__}: {error}"
        if reason != self._failure:
            # Log each cause once, not each try.
            log.warning("audit_forward_failed", target=self._name, reason=reason)
        self._failure = reason


def stuck(name: str, backlog: Backlog, now_us: int) -> str:
    """Return a sentence for operators about a backlog."""
    minutes = int(backlog.seconds(now_us) // 60)
    return f"{backlog.events} audit events wait to be forwarded to {name}; the oldest is {minutes} minutes old."


def as_document(event: Event, sequence: int | None, *, commitments: bool = False) -> JsonObject:
    """Return an event for people and programs. With `commitments`, it has everything that its leaf is computed from."""
    document: JsonObject = {
        "sequence": sequence,
        "id": event.id,
        "at": rfc3339(event.at_us),
        "action": event.action,
        "result": event.result,
        "actor": event.actor,
        "user_id": event.user_id,
        "actor_id": event.actor_id,
        "environment_id": event.environment_id,
        "revision": event.revision,
        "address": event.address,
        "request_id": event.request_id,
        "details": _details(event.details),
    }
    if commitments:
        document |= {
            "at_us": event.at_us,
            "blob_sha256": event.blob_sha256.hex() if event.blob_sha256 is not None else None,
            "details_text": event.details,
            "rows": event.rows,
            "names": event.names,
            "salt": event.salt.hex() if event.salt is not None else None,
            "commitment": event.commitment.hex(),
        }
    return document


def json_line(row: StoredEvent) -> str:
    """Return an event as one line of JSON."""
    return json.dumps(as_document(row.event, row.sequence, commitments=True), ensure_ascii=False)


def shorter(line: str) -> Iterator[str]:
    """Yield shorter forms of a line: first without its long members, then only its place and id. Each has the line's
    hash.
    """
    document = json.loads(line)
    data = line.encode("utf-8", "backslashreplace")
    cut = {"cut_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    yield json.dumps({name: document[name] for name in _KEPT_WHEN_CUT if name in document} | cut)
    yield json.dumps({name: document[name] for name in ("sequence", "id") if name in document} | cut)


def _details(text: str) -> JsonObject:
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        # The event was changed. `audit verify` reports it; later events must still be sent.
        return {}
    return found if isinstance(found, dict) else {}
