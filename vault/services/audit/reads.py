"""Reads and refusals: recorded on this host's disk before the answer is sent, and in the database a second later.

    read ─► sealed ─► spool, one write for all that wait ─► the answer is sent
                        └─ drain ─► place in the tree, row in the database

So reads continue while the database takes no writes. They are refused if the spool is full or its disk fails.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from vault.crypto import as_sealed, context, key_id_of
from vault.errors import (
    BlobError,
    Forbidden,
    IntegrityError,
    NewerFormat,
    NotAuthenticated,
    NotGranted,
    StrongroomError,
    TooManyRequests,
    Unavailable,
)
from vault.model.action import Action
from vault.model.clock import Clock
from vault.model.event import OK, SpooledEvent
from vault.model.json_types import JsonObject
from vault.model.principal import Principal
from vault.observe import metrics
from vault.services.audit.record import (
    ADDRESS_MOST,
    CALL_MOST,
    LABEL_MOST,
    REQUEST_ID_MOST,
    bounded_details,
    clipped,
    compact,
    digests,
    event_id,
    folded,
    salted,
)
from vault.services.audit.refusals import Gathered, Refusals
from vault.services.audit.tree import AuditTree
from vault.services.own.instance import Instance
from vault.storage import Spool, SpoolFile, Storage, is_about_the_rows

log = structlog.get_logger(__name__)

_RECENT_MOST = 50_000
"""Recent reads of this process, which need not be decrypted to be drained: about 30 MB at most."""
_BATCH = 2000
_LAYERS_MOST = 32

_Record = tuple[bytes, SpooledEvent]
"""The id of a record and its event."""


@dataclass(slots=True)
class _Drained:
    """The result of draining one file."""

    is_retry: bool
    stored: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Records that can never be stored, counted by the names of their errors."""
    has_learnt: bool = False


class ReadLog:
    """The audit of calls that change nothing."""

    def __init__(self, storage: Storage, instance: Instance, tree: AuditTree, spool: Spool, clock: Clock) -> None:
        self._storage = storage
        self._instance = instance
        self._tree = tree
        self._spool = spool
        self._clock = clock
        self._refusals = Refusals(clock)
        self._recent: dict[bytes, SpooledEvent] = {}
        self._kept_for_newer: set[Path] = set()

    def read(
        self,
        principal: Principal,
        action: Action,
        environment_id: str | None = None,
        revision: int | None = None,
        *,
        result: str = OK,
        names: Iterable[str] = (),
        layers: Sequence[tuple[str, int | None]] = (),
        account: str = "",
    ) -> None:
        """Record one read. Call it last, before the answer is sent. Raises `AuditUnavailable`, unless the receipt is
        held.

        See `vault.storage.spool.receipts` for held receipts. `names` are variables that were requested one by one.
        `layers`
        are the other parts of the answer: environment and revision of each. `account` is the id of the account that was
        read.
        """
        key = self._instance.secret("digest")
        told: JsonObject = {"account": account} if account else {}
        if layers:
            told["layers"] = layers[:_LAYERS_MOST]
        if len(layers) > _LAYERS_MOST:
            told["more_layers"] = len(layers) - _LAYERS_MOST
        details = bounded_details(told)
        self._keep(principal, action, result, environment_id, revision, details, folded(digests(key, names)))

    def turned_away(
        self,
        error: StrongroomError,
        principal: Principal | None,
        *,
        address: str,
        request_id: str,
        call: str,
        environment_id: str | None = None,
    ) -> None:
        """Record a refusal, or stored bytes that this vault did not store. Other errors are not recorded.

        Refusals of strangers are counted together: the first of a minute is recorded at once, the others at its end.
        Raises
        `AuditUnavailable` for a known caller.
        """
        code = _code(error)
        if code is None:
            return
        call = clipped(call, CALL_MOST)
        if principal is not None:
            self._keep(principal, Action.REFUSED, code, environment_id, None, bounded_details({"call": call}), "")
            return
        gathered = self._refusals.note(address, code, call)
        if gathered is not None:
            with contextlib.suppress(Unavailable):
                self._keep_gathered(gathered, request_id)

    def drain(self) -> int:
        """Store this process's reads in the database. Returns how many. Raises the database's errors."""
        for gathered in self._refusals.finished():
            self._keep_gathered(gathered)
        count, failed = 0, None
        for file in self._spool.take():
            try:
                count += self._drain(file, self._spool.drained)
            except OSError as error:
                # This file may fail for a long time. The others must not wait for it.
                failed = failed or error
        if failed is not None:
            raise failed
        return count

    def drain_left_behind(self) -> int:
        """Do the same for the files of dead workers."""
        count, failed = 0, None
        for file in self._spool.left_behind():
            try:
                count += self._drain(file, SpoolFile.remove)
            except NewerFormat:
                # Keep the file for a newer release, which can read the rest. The readable records are stored.
                file.close()
                if file.path not in self._kept_for_newer:
                    self._kept_for_newer.add(file.path)
                    log.warning("audit_spool_of_newer_release", file=file.path.name)
            except OSError as error:
                file.close()
                failed = failed or error
            except BaseException:
                file.close()
                raise
        if failed is not None:
            raise failed
        return count

    def close(self) -> None:
        """Store what can be stored, and close the files."""
        try:
            for gathered in self._refusals.finished(all_minutes=True):
                self._keep_gathered(gathered)
            if not self._instance.locked:
                self.drain()
        finally:
            self._spool.close()

    def make_room(self) -> None:
        """Check that the next reads can be recorded. Raises `OSError` if there is no room."""
        self._spool.make_room()

    @property
    def waiting_bytes(self) -> int:
        """Return how many bytes the spool has."""
        return self._spool.waiting_bytes()

    @property
    def set_aside_bytes(self) -> int:
        """The size of the spool files with records that could not be stored."""
        return self._spool.set_aside_bytes()

    def _keep(
        self,
        principal: Principal,
        action: Action,
        result: str,
        environment_id: str | None,
        revision: int | None,
        details: str,
        names: str,
    ) -> None:
        person = principal.user_id or None
        event = SpooledEvent(
            at_us=self._clock(),
            user_id=person,
            actor_id=person,
            actor=clipped(principal.label, LABEL_MOST),
            action=action,
            result=result,
            environment_id=environment_id,
            revision=revision,
            blob_sha256=None,
            request_id=clipped(principal.request_id, REQUEST_ID_MOST),
            details=details,
            rows="",
            address=clipped(principal.address, ADDRESS_MOST),
            names=names,
        )
        self._append(event)

    def _keep_gathered(self, gathered: Gathered, request_id: str = "") -> None:
        event = SpooledEvent(
            at_us=gathered.at_us,
            user_id=None,
            actor_id=None,
            actor="nobody",
            action=Action.REFUSED,
            result=gathered.code,
            environment_id=None,
            revision=None,
            blob_sha256=None,
            request_id=clipped(request_id, REQUEST_ID_MOST),
            details=bounded_details({"call": gathered.call, "count": gathered.count}),
            rows="",
            address=clipped(gathered.address, ADDRESS_MOST),
            names="",
        )
        self._append(event)

    def _append(self, event: SpooledEvent) -> None:
        record_id = event_id(event.at_us)
        place = context.audit_record(self._instance.id, str(record_id))
        blob = self._instance.seal(place, compact(event).encode())
        # Decrypting what was sealed here a second ago would cost as much as sealing it.
        if len(self._recent) < _RECENT_MOST:
            self._recent[record_id.bytes] = event
        try:
            receipt = self._spool.append(record_id.bytes, blob)
        except BaseException:
            self._recent.pop(record_id.bytes, None)
            raise
        receipt.then(lambda is_stored: None if is_stored else self._recent.pop(record_id.bytes, None))

    def _drain(self, file: SpoolFile, remove: Callable[[SpoolFile], None]) -> int:
        """Store the file's records, then call `remove` with it. Returns how many were stored."""
        drained = _Drained(is_retry=not file.is_new)
        file.is_new = False
        for batch in self._batches(file, drained):
            self._store_what_can_be(batch, drained)
            for record_id, _ in batch:
                self._recent.pop(record_id, None)
        if drained.refused:
            self._spool.set_aside(file, drained.refused)
        else:
            remove(file)
        return drained.stored

    def _store_what_can_be(self, batch: Sequence[_Record], drained: _Drained) -> None:
        """Store a batch, except records that the database can never accept."""
        try:
            self._store(batch, is_retry=drained.is_retry)
        except Exception as error:
            if not is_about_the_rows(error):
                raise
            if len(batch) > 1:
                half = len(batch) // 2
                self._store_what_can_be(batch[:half], drained)
                self._store_what_can_be(batch[half:], drained)
            else:
                drained.refused[type(error).__name__] += 1
        else:
            drained.stored += len(batch)

    def _batches(self, file: SpoolFile, drained: _Drained) -> Iterator[list[_Record]]:
        batch: list[_Record] = []
        is_newer = False
        for record_id, blob in file.records():
            try:
                event = self._recent.get(record_id) or self._open(record_id, blob, drained)
            except NewerFormat:
                is_newer = True
                continue
            except (BlobError, ValueError, TypeError, KeyError) as error:
                metrics().integrity_errors.labels(kind="spool").inc()
                drained.refused[type(error).__name__] += 1
                continue
            batch.append((record_id, event))
            if len(batch) == _BATCH:
                yield batch
                batch = []
        if batch:
            yield batch
        if is_newer:
            raise NewerFormat()

    def _open(self, record_id: bytes, blob: bytes, drained: _Drained) -> SpooledEvent:
        sealed, place = as_sealed(blob), context.audit_record(self._instance.id, str(uuid.UUID(bytes=record_id)))
        key_id = key_id_of(sealed)
        if not self._instance.has_system_key(key_id) and not drained.has_learnt:
            # Once is enough, because the file is older than this, and forged records must not cause a query each.
            drained.has_learnt = True
            self._instance.learn()
        event = _known_fields(json.loads(self._instance.open_blob(place, key_id, sealed, learns=False)))
        if not all(each is None or isinstance(each, str | int) for each in event):
            raise TypeError("A field of an event must be a string, a number or null.")
        return event

    def _store(self, batch: Sequence[_Record], *, is_retry: bool) -> None:
        spooled = {str(uuid.UUID(bytes=record_id)): event for record_id, event in batch}
        with self._storage.write() as unit:
            # A worker may have crashed after storing these events. Skip those that are already in the database.
            for known in unit.audit_events.known(list(spooled)) if is_retry else ():
                del spooled[known]
            people = {event.user_id for event in spooled.values() if event.user_id is not None}
            gone = people - unit.users.known(people)
            events = [salted(key, event, is_forgotten=event.user_id in gone) for key, event in spooled.items()]
            if events:
                self._tree.append(unit, events)


def _known_fields(document: object) -> SpooledEvent:
    """Return the event of a record. Extra fields of a newer release go into its details.

    Raises `NewerFormat` for a record of another form.
    """
    known = len(SpooledEvent._fields)
    if not isinstance(document, list) or len(document) < known:
        raise NewerFormat()
    event, more = SpooledEvent._make(document[:known]), document[known:]
    if not more:
        return event
    details = json.loads(event.details) if event.details else {}
    return event._replace(details=bounded_details({**details, "more": more}))


def _code(error: StrongroomError) -> str | None:
    """Return the audit's code for a refusal; None for any other error."""
    if isinstance(error, NotGranted):
        return "not_granted"
    if isinstance(error, IntegrityError):
        return "integrity"
    return error.code if isinstance(error, NotAuthenticated | Forbidden | TooManyRequests) else None
