"""Events to somewhere else (standard output, a file, syslog): a JSON line each, and a signed checkpoint now and then.

What has left this vault cannot be changed by whoever breaks into it: where the stream is kept elsewhere, it is the
record that `audit verify --checkpoint` needs. Each event is sent at least once, in order; places tell of repeats.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from vault.model.event import Event
from vault.services.audit.tree import AuditTree
from vault.services.clock import SECOND_US, Clock
from vault.storage import Storage

_PLACE = len(Event._fields)
_CHECKPOINT_US = 60 * SECOND_US
_SYSLOG_SOCKET = "/dev/log"
_SYSLOG_PORT = 514
_PRIORITY = 13 * 8 + 5
"""Facility 13 (log audit), severity 5 (notice): RFC 5424, section 6.2.1."""


class Forwarder:
    """Sends what is new to the target of the settings: `stdout`, `file:PATH`, `syslog` or `syslog:HOST[:PORT]`."""

    def __init__(self, target: str, storage: Storage, tree: AuditTree, clock: Clock) -> None:
        self._target = target
        self._storage = storage
        self._tree = tree
        self._clock = clock
        self._next_checkpoint_us = 0

    def has_work(self) -> bool:
        """Whether there are events that have not been sent."""
        if not self._target:
            return False
        with self._storage.read() as unit:
            head = unit.audit_head.get()
        return head is not None and head.forwarded < head.size

    def forward(self) -> int:
        """Send the events that have not been sent; how many. Raises `OSError` where the target does not take them."""
        if not self._target:
            return 0
        with self._storage.read() as unit:
            head = unit.audit_head.get()
            if head is None or head.forwarded >= head.size:
                return 0
            for rows in unit.audit_events.in_order(head.forwarded, head.size - head.forwarded):
                _deliver(self._target, [json_line(row) for row in rows])
                self._remember(rows[-1][_PLACE] + 1)
        self._send_checkpoint(head.note)
        return int(head.size - head.forwarded)

    def _remember(self, place: int) -> None:
        with self._storage.write() as unit:
            unit.audit_head.forwarded(place)

    def _send_checkpoint(self, note: str) -> None:
        now = self._clock()
        if now >= self._next_checkpoint_us:
            _deliver(self._target, [json.dumps({"checkpoint": note}, ensure_ascii=False)])
            self._next_checkpoint_us = now + _CHECKPOINT_US


def as_document(event: Event, sequence: int | None, *, commitments: bool = False) -> dict[str, Any]:
    """An event for people and programs; with `commitments`, all that its leaf can be computed from."""
    moment = datetime.fromtimestamp(event.at_us / SECOND_US, UTC)
    document: dict[str, Any] = {
        "sequence": sequence,
        "id": event.id,
        "at": moment.isoformat().replace("+00:00", "Z"),
        "action": event.action,
        "result": event.result,
        "actor": event.actor,
        "user_id": event.user_id,
        "actor_id": event.actor_id,
        "environment_id": event.environment_id,
        "revision": event.revision,
        "address": event.address,
        "request_id": event.request_id,
        "details": json.loads(event.details) if event.details else {},
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


def json_line(row: Sequence[Any]) -> str:
    """A row of `AuditEvents.in_order` as one line of JSON."""
    return json.dumps(as_document(Event(*row[:_PLACE]), row[_PLACE], commitments=True), ensure_ascii=False)


def _deliver(target: str, lines: Sequence[str]) -> None:
    """Hand lines over; when this returns, a file holds them on its disk."""
    kind, _, place = target.partition(":")
    if kind == "stdout":
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
    elif kind == "file":
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            os.fsync(descriptor)
    else:
        with _syslog(place) as connection:
            for line in lines:
                connection.send(_syslog_message(line))


def _syslog(place: str) -> socket.socket:
    """A socket to the host's own syslog, or to another's over UDP."""
    if not place:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        connection.connect(_SYSLOG_SOCKET)
        return connection
    parts = urlsplit(f"//{place}")
    host = parts.hostname or ""
    connection = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    connection.connect((host, parts.port or _SYSLOG_PORT))
    return connection


def _syslog_message(line: str) -> bytes:
    """RFC 5424, section 6; the message is the event as JSON."""
    moment = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    host = socket.gethostname() or "-"
    return f"<{_PRIORITY}>1 {moment} {host} strongroom {os.getpid()} audit - {line}".encode()
