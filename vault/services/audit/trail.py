"""Reads of the audit: a person's own trail, an operator's search, the export; and a prune that keeps it verifiable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from vault.crypto.merkle import HASH_BYTES
from vault.errors import IntegrityError, InvalidInput, MacError
from vault.model.action import Action
from vault.model.clock import DAY_US, Clock
from vault.model.event import GONE, Event
from vault.model.folding import fold_username
from vault.model.principal import Principal, PrincipalKind, kind_and_id
from vault.services.audit.authority import Authority, standing_keys
from vault.services.audit.reads import ReadLog
from vault.services.audit.record import digests, hash_of, record
from vault.services.audit.tree import AuditTree
from vault.services.audit.verify import Verifier
from vault.services.own.instance import Instance
from vault.storage import About, Search, Seen, Storage, VariableSpan

PRUNE_LEAST_DAYS = 1
_RUN_MOST = 1024
"""The number of hashes in one row of pruned events: 32 KiB."""

Cursor = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Names:
    """The names of people, tokens and environments, by id."""

    people: Mapping[str, str]
    tokens: Mapping[str, str]
    environments: Mapping[str, str]


class Trail:
    """Reads of the audit, with permission checks."""

    def __init__(self, storage: Storage, instance: Instance, reads: ReadLog, clock: Clock) -> None:
        self._storage = storage
        self._instance = instance
        self._reads = reads
        self._clock = clock

    def own(self, principal: Principal, before: Cursor | None, limit: int) -> list[Seen]:
        """Return a person's own trail, the newest first. The address of another actor is hidden."""
        principal.require_person()
        with self._storage.read() as unit:
            found = unit.audit_events.page(Search(user_id=principal.user_id), before, limit)
        self._reads.read(principal, Action.AUDIT_READ)
        return [_for_owner(seen) for seen in found]

    def search(
        self, principal: Principal, search: Search, before: Cursor | None, limit: int, *, variable: str | None = None
    ) -> list[Seen]:
        """Return all matching events, the newest first. For operators, with a recent password.

        `variable` is a name: it matches events that changed it, requested it, or read a whole revision that had it.
        """
        self._require(principal)
        if variable is not None:
            search = replace(search, about=self._about(variable))
        with self._storage.read() as unit:
            found = unit.audit_events.page(search, before, limit)
        self._reads.read(principal, Action.AUDIT_SEARCH, names=[variable] if variable is not None else ())
        return found

    def look(self, principal: Principal, search: Search, limit: int) -> list[Seen]:
        """Do the same as `search`, to follow the trail. This is not recorded, because the first search was."""
        self._require(principal)
        with self._storage.read() as unit:
            return unit.audit_events.page(search, None, limit)

    def user_id(self, principal: Principal, reference: str) -> str:
        """Return the id of a person by name. An id is returned unchanged, because an erased person has no name."""
        self._require(principal)
        with self._storage.read() as unit:
            user = unit.users.by_name(fold_username(reference))
        return user.id if user is not None else reference

    def names(self, principal: Principal, found: Sequence[Seen]) -> Names:
        """Return the names of what events are about, as far as it exists. Of a forged row, there is none. For
        operators.
        """
        self._require(principal)
        events = [seen.event for seen in found]
        actors = [kind_and_id(event.actor) for event in events]
        tokens = [id_ for kind, id_ in actors if kind == PrincipalKind.TOKEN]
        with self._storage.read() as unit:
            return Names(
                _named(unit.users, (event.actor_id for event in events)),
                _named(unit.tokens, tokens),
                _named(unit.environments, (event.environment_id for event in events)),
            )

    def export(self, principal: Principal, first: int = 0) -> Iterator[Seen]:
        """Yield all events that have a place, in order, starting at place `first`. For operators."""
        self._require(principal)
        self._reads.read(principal, Action.AUDIT_EXPORT)
        with self._storage.read() as unit:
            for rows in unit.audit_events.in_order(first):
                for row in rows:
                    yield Seen(row.event, row.sequence)

    def prune(self, principal: Principal, before_us: int) -> int:
        """Delete events from before `before_us`, and keep the hashes of their leaves. Returns how many. For operators.

        Needed events stay: the newest about each signed row, deletions, and erasures. Raises `InvalidInput` for a time
        within the last day, and `IntegrityError` if an event was changed.
        """
        self._require(principal)
        if before_us > self._clock() - PRUNE_LEAST_DAYS * DAY_US:
            raise InvalidInput("Events of the last day cannot be pruned.", path="before")
        # Otherwise an event with a forged time would be pruned, and with it the proof of the change.
        faults = Verifier(self._storage, AuditTree(self._instance)).faults_of_events()
        if faults:
            raise IntegrityError(f"Nothing was pruned: {faults[0]} Run `strongroom audit verify` to see all faults.")
        doomed = list(self._doomed(before_us))
        if doomed:
            with self._storage.write() as unit:
                record(unit, principal, Action.AUDIT_PRUNE, details={"before_us": before_us, "count": len(doomed)})
        for first, hashes in _runs(doomed):
            with self._storage.write() as unit:
                unit.audit_events.remove(first, first + len(hashes) // HASH_BYTES)
                unit.audit_pruned.add(first=first, hashes=hashes)
        return len(doomed)

    def _doomed(self, before_us: int) -> Iterator[tuple[int, bytes]]:
        """Yield place and hash of each event that may be deleted."""
        authority, old = Authority(), []
        with self._storage.read() as unit:
            for rows in unit.audit_events.in_order():
                for row in rows:
                    if row.rows:
                        authority.note(row.rows)
                    if row.at_us < before_us and row.action != Action.USER_ERASE:
                        old.append((row.sequence, hash_of(row), row.rows))
            stands = standing_keys(unit)
        # An event that is not the newest about a row never becomes it again, so other writers need not wait.
        return ((place, leaf) for place, leaf, rows in old if not rows or not authority.is_needed(rows, stands))

    def _require(self, principal: Principal) -> None:
        principal.require_operator()
        if principal.kind is PrincipalKind.SESSION:
            principal.require_recent_proof(self._clock())

    def _about(self, variable: str) -> About:
        """Return where to search for a variable of this name."""
        keys = self._instance.secrets_of("digest")
        wanted = tuple(digest for key in keys for digest in digests(key, [variable]))
        with self._storage.read() as unit:
            writes = unit.audit_events.writes_of(wanted)
        return About(wanted, tuple(_holdings(writes, wanted)))


class _HasName(Protocol):
    @property
    def name(self) -> str: ...


class _Rows(Protocol):
    def named(self, ids: Iterable[str]) -> Mapping[str, _HasName]: ...


def _named(rows: _Rows, ids: Iterable[str | None]) -> dict[str, str]:
    try:
        return {id_: row.name for id_, row in rows.named(filter(None, ids)).items()}
    except MacError:
        # `audit verify` names the forged row. A search must still work then.
        return {}


def _holdings(writes: Sequence[Event], wanted: tuple[str, ...]) -> Iterator[VariableSpan]:
    """Yield the time spans in which each environment had the variable, from the events that changed it."""
    since: dict[str, tuple[int, int]] = {}
    for write in writes:
        where, revision = write.environment_id, write.revision
        if where is None or revision is None:
            # The event was changed: a genuine event with a blob names a revision.
            continue
        is_gone = any(GONE + digest in write.names.split() for digest in wanted)
        if not is_gone:
            since.setdefault(where, (revision, write.at_us))
        elif (first := since.pop(where, None)) is not None:
            yield VariableSpan(where, first[0], revision, first[1], write.at_us)
    for where, (revision, at_us) in since.items():
        yield VariableSpan(where, revision, None, at_us, None)


def _runs(doomed: Sequence[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Join hashes of adjacent events: yield the first place, and all hashes."""
    run: list[bytes] = []
    first = 0
    for place, leaf in doomed:
        if run and (place != first + len(run) or len(run) == _RUN_MOST):
            yield first, b"".join(run)
            run = []
        if not run:
            first = place
        run.append(leaf)
    if run:
        yield first, b"".join(run)


def _for_owner(seen: Seen) -> Seen:
    event = seen.event
    if event.actor_id == event.user_id:
        return seen
    return Seen(event._replace(address="", request_id=""), seen.sequence)
