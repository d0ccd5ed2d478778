"""The feed of a person's changes: who may follow it, and what each follower is told.

subscribe ─► the number where it begins
snapshot ──► all that has changed since a number, read once for all followers of a person
page ──────► what one credential is told of it, by its subscription
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from vault.errors import CursorExpired, InvalidInput, NotAuthenticated, NotGranted
from vault.model.action import Action
from vault.model.environment import (
    GLOBALS,
    EnvironmentKind,
    EnvironmentRef,
    canonical,
    check_environment_name,
    looks_like_id,
)
from vault.model.grant import Permission
from vault.model.policy import allows, allows_anywhere
from vault.model.principal import Principal
from vault.services.audit import ReadLog
from vault.services.environments.permissions import target_of
from vault.services.sync.cursor import Cursors
from vault.services.sync.epochs import Epochs
from vault.services.sync.message import Message
from vault.services.sync.past import Past, states_of
from vault.services.sync.telling import Sight, Teller, TellerOfAll, TellerOfSome
from vault.storage import EnvironmentRow, FeedEpoch, Storage, UnitOfWork, is_kept

REFERENCES_MOST = 100
"""The limit of one subscription."""

_FEW = 500
"""Up to so many environments are read by their ids. With more, all of the person's are read."""

PAGE_MOST = 500
"""The limit of the messages in one page."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a follower wants to be told of. Subscriptions that are told the same are equal.

    `references` are environments as the follower named them; None means all. `seq` is the number of the last change
    that is not told, in the epoch `epoch`.
    """

    user_id: str
    references: tuple[EnvironmentRef, ...] | None
    epoch: FeedEpoch = field(compare=False)
    seq: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What has changed for a person since the number `since_seq`, up to the number `seq`."""

    epoch: FeedEpoch
    since_seq: int
    seq: int
    past: Past
    revisions: Mapping[str, int]
    """The numbers of current revisions, by environment."""


@dataclass(frozen=True, slots=True)
class Page:
    """Messages in ascending order, and the number up to which they tell.

    `more`: the snapshot has others for this follower. Then `at_us` is the time of the change `seq`.
    """

    messages: tuple[Message, ...]
    seq: int
    more: bool
    at_us: int | None = None


class Feed:
    """The feeds of all people."""

    def __init__(self, storage: Storage, epochs: Epochs, cursors: Cursors, reads: ReadLog) -> None:
        self._storage = storage
        self._epochs = epochs
        self._cursors = cursors
        self._reads = reads

    def subscribe(
        self, principal: Principal, references: Sequence[EnvironmentRef] | None, after: str | None
    ) -> Subscription:
        """Begin to follow environments, `GLOBALS` among them, or all that the caller may read (`references` is None).

        It begins after the cursor `after`, or now. An environment need not exist yet. Raises `NotGranted` without
        `read`, whether an environment exists or not, and `InvalidInput`, `CursorExpired`. What the caller could read at
        the cursor may be followed once more, so that its end is told.
        """
        chosen = None if references is None else _checked(references)
        with self._storage.read() as unit:
            ids, refused = _permitted(unit, principal, chosen)
        if refused and after is None:
            raise NotGranted()
        epoch, newest = self.now(principal.user_id)
        seq = newest if after is None else self._cursors.open(principal.user_id, epoch, after, newest)
        if refused and not self._saw(principal, refused, seq):
            raise NotGranted()
        layers = [(each, None) for each in ids[1:]]
        self._reads.read(principal, Action.CHANGES_FOLLOW, ids[0] if ids else None, layers=layers)
        return Subscription(principal.user_id, chosen, epoch, seq)

    def _saw(self, principal: Principal, references: Sequence[EnvironmentRef], seq: int) -> bool:
        """Report whether the caller could read all these environments after the change `seq`."""
        snapshot = self.snapshot(principal.user_id, seq)
        teller = TellerOfSome(Sight(principal, snapshot.past, {}), snapshot.past, references, 0)
        return teller.sees_all

    def now(self, user_id: str) -> tuple[FeedEpoch, int]:
        """Return the epoch, and the number of a person's newest change. Raises `NotAuthenticated` after an erasure."""
        with self._storage.read() as unit:
            epoch, newest = self._epochs.present(unit), unit.changes.newest(user_id)
        if newest is None:
            raise NotAuthenticated()
        return epoch, newest

    def cursor(self, user_id: str, epoch: FeedEpoch, seq: int, at_us: int | None = None) -> str:
        """Return the cursor after a number. `at_us` is needed if changes after it are stored: see `Cursors.seal`."""
        return self._cursors.seal(user_id, epoch, seq, at_us)

    def snapshot(self, user_id: str, since_seq: int) -> Snapshot:
        """Read what has changed for a person after a number.

        Raises `CursorExpired` if a part of it is not stored any more, or the person is gone, and `DatabaseUnavailable`.
        """
        with self._storage.at_one_moment() as unit:
            # All statements of this see one state, so what is undone belongs to the rows.
            epoch, newest = unit.feed.epoch(), unit.changes.newest(user_id)
            if epoch is None or newest is None or not is_kept(since_seq, newest):
                raise CursorExpired()
            changes = unit.changes.after(user_id, since_seq, newest - since_seq)
            changed = {change.environment_id for change in changes if change.environment_id is not None}
            rows = _rows_about(unit, user_id, changed, {base for change in changes for base in change.old_bases or ()})
            # A change out of sight may be told of an environment with bases.
            told = {row.current_revision_id for row in rows if row.id in changed or row.base_ids}
            facts = unit.revisions.facts_of(filter(None, told))
        numbers = {each.environment_id: each.number for each in facts.values()}
        return Snapshot(epoch, since_seq, newest, Past(states_of(rows), changes), numbers)

    @staticmethod
    def page(
        snapshot: Snapshot,
        principal: Principal,
        subscription: Subscription,
        since_seq: int,
        limit: int = PAGE_MOST,
    ) -> Page:
        """Return what a follower is told after a number. Judge `principal` after the snapshot was read."""
        if since_seq < snapshot.since_seq:
            raise ValueError("The snapshot begins after this number.")
        past = snapshot.past
        start = past.version_after(since_seq)
        teller = _teller(snapshot, principal, subscription, start)
        messages: list[Message] = []
        for version, step in enumerate(past.steps[start:], start + 1):
            message = teller.tell(step, version)
            if message is None:
                continue
            if len(messages) == limit:
                return Page(tuple(messages), messages[-1].seq, more=True, at_us=messages[-1].at_us)
            messages.append(message)
        return Page(tuple(messages), max(since_seq, snapshot.seq), more=False)


def _rows_about(
    unit: UnitOfWork, user_id: str, changed: AbstractSet[str], former: AbstractSet[str]
) -> list[EnvironmentRow]:
    """Return the rows that decide who is told of changes of these environments. `former` are bases that they had."""
    if not changed:
        return []
    wanted = changed | former
    rows = unit.environments.with_layers(user_id, wanted) if len(wanted) <= _FEW else []
    if not rows or any(row.kind == EnvironmentKind.GLOBALS and row.id in changed for row in rows):
        # The globals are beneath every environment.
        return unit.environments.of_owner(user_id)
    return rows


def _teller(snapshot: Snapshot, principal: Principal, subscription: Subscription, version: int) -> Teller:
    sight = Sight(principal, snapshot.past, snapshot.revisions)
    if subscription.references is None:
        return TellerOfAll(sight)
    return TellerOfSome(sight, snapshot.past, subscription.references, version)


def _checked(references: Sequence[EnvironmentRef]) -> tuple[EnvironmentRef, ...]:
    if not 1 <= len(references) <= REFERENCES_MOST:
        raise InvalidInput(f"A subscription has 1 to {REFERENCES_MOST} environments.", path="environments")
    for position, each in enumerate(references):
        if each is not GLOBALS and not looks_like_id(each):
            check_environment_name(each, path=f"environments.{position}")
    return tuple(dict.fromkeys(references))


def _permitted(
    unit: UnitOfWork, principal: Principal, references: Sequence[EnvironmentRef] | None
) -> tuple[list[str], list[EnvironmentRef]]:
    """Return the ids of those environments that exist and may be read, and the references that may not be read.

    Raises `NotGranted` for all (None) if nothing may be read.
    """
    if references is None:
        if not allows_anywhere(principal, [Permission.READ]):
            raise NotGranted()
        return [], []
    rows = _rows_of(unit, principal, references)
    refused = [each for each in references if not allows(principal, Permission.READ, target_of(rows.get(each), each))]
    return list(dict.fromkeys(row.id for each, row in rows.items() if each not in refused)), refused


def _rows_of(
    unit: UnitOfWork, principal: Principal, references: Sequence[EnvironmentRef]
) -> dict[EnvironmentRef, EnvironmentRow]:
    """Return the environments that exist, by reference."""
    wanted = {each: canonical(each) for each in references if each is not GLOBALS}
    rows = unit.environments.some(principal.user_id, set(wanted.values()))
    known = {key: row for row in rows for key in (row.id, row.name)}
    found: dict[EnvironmentRef, EnvironmentRow] = {each: known[key] for each, key in wanted.items() if key in known}
    if GLOBALS in references and (row := unit.environments.globals(principal.user_id)) is not None:
        found[GLOBALS] = row
    return found
