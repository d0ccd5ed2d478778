"""Who follows what in this worker, and what happens when something has changed for a person.

numbers ─► a person's number has risen ─► snapshot ─► judge each credential ─► a page for each subscription ─► loop

The number is read before the snapshot: a change that comes meanwhile raises it again, and the next turn sees it. A
credential is judged after the snapshot, so nobody is told of a change that came after the end of their credential.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import structlog

from vault.errors import CursorExpired, StrongroomError, Unavailable, VaultLocked
from vault.model.clock import Clock
from vault.model.principal import Principal
from vault.observe import metrics
from vault.services.sync.feed import Page, Snapshot, Subscription
from vault.services.sync.judging import Follower, FollowerKey
from vault.services.sync.message import Message
from vault.storage import FeedEpoch
from vault.sync.endings import CREDENTIAL_ENDED, CURSOR_EXPIRED, FAILED, LOCKED, Ending, ending_of
from vault.sync.following import Following
from vault.sync.messages import Frame, frame_of
from vault.sync.registry import Credential, Person, Registry

log = structlog.get_logger(__name__)

PAGE_MOST = 200
"""Changes in one page. Less than `BACKLOG_MOST`, so that a page always fits into an empty backlog."""
JUDGE_SECONDS = 60.0
"""Each credential is judged this often even if nothing has changed: an open stream counts as a use of a session."""
JUDGE_MIXED_SECONDS = 1.0
"""The same while a worker of another release runs. Release 0.2.0 raises no number when it ends a session."""

SLICE_SECONDS = 0.25
"""How long pages of one person are made in one turn. The others must be told too, and streams must end in time. What is
left is done first in the next turn.
"""


class Reading(NamedTuple):
    """The number of each person that was asked for. An erased person has none. `is_mixed`: another release runs too."""

    epoch: FeedEpoch
    numbers: Mapping[str, int]
    is_mixed: bool = False


class Judging(Protocol):
    """What the hub needs of `services.sync.judge`."""

    def again(self, follower: Follower) -> Principal: ...


class Feeding(Protocol):
    """What the hub needs of `services.sync.feed`."""

    def snapshot(self, user_id: str, since_seq: int) -> Snapshot: ...

    def page(
        self, snapshot: Snapshot, principal: Principal, subscription: Subscription, since_seq: int, limit: int = ...
    ) -> Page: ...

    def cursor(self, user_id: str, epoch: FeedEpoch, seq: int, at_us: int | None = None) -> str: ...


class Delivery(NamedTuple):
    """What the loop gives to one listener: frames, or the end of its stream."""

    following: Following
    frames: list[Frame]
    seq: int
    more: bool
    ending: Ending | None = None


Post = Callable[[list[Delivery]], None]
"""Hands deliveries to the event loop. Called in the hub's thread."""


class Hub:
    """Finds what each follower must be told. `turn` runs in the tail's thread; `join`, `leave` and `resume` in the
    loop.
    """

    def __init__(
        self,
        read: Callable[[Sequence[str]], Reading],
        is_locked: Callable[[], bool],
        judge: Judging,
        feed: Feeding,
        post: Post,
        clock: Clock,
        slice_seconds: float = SLICE_SECONDS,
    ) -> None:
        self._slice_seconds = slice_seconds
        self._read = read
        self._is_locked = is_locked
        self._judge = judge
        self._feed = feed
        self._post = post
        self._clock = clock
        self._registry = Registry()

    @property
    def is_needed(self) -> bool:
        """Whether anybody follows anything."""
        return self._registry.is_needed

    def join(self, following: Following) -> None:
        """Add a following. The next turn reads its first page, whether or not anything has changed."""
        self._registry.add(following)

    def leave(self, following: Following) -> None:
        """Remove a following, if it is still there."""
        self._registry.remove(following)

    def resume(self, following: Following) -> None:
        """Read the next page of a following that is behind, in the next turn."""
        self._registry.refresh(following)

    def turn(self) -> None:
        """Look once for every person who is followed. Raises `Unavailable` if the database does not answer.

        What fails for one person ends that person's streams and disturbs no others.
        """
        people = self._registry.people()
        if not people:
            return
        if self._is_locked():
            for person in people:
                self._end(person.followings(), LOCKED)
            return
        reading = self._read([person.user_id for person in people])
        for person in people:
            try:
                self._look(person, reading)
            except VaultLocked:
                self._end(person.followings(), LOCKED)
            except Unavailable:
                raise
            except Exception as error:
                # A client that connects again gets an answer. One that hears nothing would wait for ever.
                metrics().feed_failures.inc()
                log.exception("feed_failed", error=type(error).__name__)
                self._end(person.followings(), FAILED)

    def _look(self, person: Person, reading: Reading) -> None:
        number = reading.numbers.get(person.user_id)
        if number is None:
            self._end(person.followings(), CREDENTIAL_ENDED)
            return
        is_woken = number != person.number or reading.epoch != person.epoch
        fresh = self._registry.take_fresh(person)
        try:
            if is_woken:
                is_new_epoch = reading.epoch != person.epoch
                others = [each for each in person.followings() if is_new_epoch or not each.is_behind]
                # What the last turn has left over comes first, or it would never be its turn.
                self._serve(person, tuple(dict.fromkeys((*fresh, *others))), person.credentials())
            else:
                self._serve(person, fresh, self._overdue(person, reading))
        except Unavailable:
            # Nothing was told. The next turn must look at the same followings again.
            self._put_off(fresh)
            raise
        person.number, person.epoch = number, reading.epoch

    def _overdue(self, person: Person, reading: Reading) -> list[Credential]:
        """Return the credentials that end by themselves, or that were not judged for a while."""
        now_us, now_seconds = self._clock(), time.monotonic()
        while_seconds = JUDGE_MIXED_SECONDS if reading.is_mixed else JUDGE_SECONDS
        return [
            each
            for each in person.credentials()
            if now_seconds >= each.judged_seconds + while_seconds
            or (each.until_us is not None and now_us >= each.until_us)
        ]

    def _serve(self, person: Person, due: Sequence[Following], credentials: Iterable[Credential]) -> None:
        """Judge these credentials and those of `due`, and deliver to each of `due` what has changed for it.

        If the database goes away in the middle, those that were served know it by their `seq`.
        """
        snapshot = self._snapshot(person, due) if due else None
        wanted: dict[FollowerKey, Credential] = {}
        groups: dict[FollowerKey, dict[tuple[Subscription, int], list[Following]]] = defaultdict(dict)
        for following in due:
            key = following.follower.key
            credential = person.by_key.get(key)
            # Otherwise the client has left meanwhile, or its stream was ended.
            if credential is not None and following in credential.members:
                wanted[key] = credential
                alike = groups[key].setdefault((following.subscription, following.seq), [])
                alike.append(following)
        wanted |= {each.key: each for each in credentials if each.key not in wanted}
        until_seconds, is_some = time.monotonic() + self._slice_seconds, False
        for key, credential in wanted.items():
            principal = self._judged(credential)
            if principal is None or snapshot is None:
                continue
            for (subscription, seq), followings in groups[key].items():
                if is_some and time.monotonic() >= until_seconds:
                    self._put_off(followings)
                    continue
                is_some = True
                # The next page or credential may take a while.
                self._post(self._deliveries(snapshot, principal, subscription, seq, followings))

    def _put_off(self, followings: Sequence[Following]) -> None:
        """Serve these in the next turn."""
        for following in followings:
            self._registry.refresh(following)

    def _snapshot(self, person: Person, due: Sequence[Following]) -> Snapshot | None:
        """Return everything since the follower that is furthest behind. Ends those that are too far behind."""
        for seq in sorted({each.seq for each in due}):
            try:
                return self._feed.snapshot(person.user_id, seq)
            except CursorExpired:
                self._end([each for each in due if each.seq == seq], CURSOR_EXPIRED)
        return None

    def _judged(self, credential: Credential) -> Principal | None:
        """Return the principal of a credential. If it has ended, end its streams and return None."""
        try:
            principal = self._judge.again(credential.follower)
        except Unavailable:
            raise
        except StrongroomError as error:
            self._end(credential.followings(), ending_of(error))
            return None
        credential.until_us = credential.follower.until_us
        credential.judged_seconds = time.monotonic()
        return principal

    def _deliveries(
        self,
        snapshot: Snapshot,
        principal: Principal,
        subscription: Subscription,
        seq: int,
        followings: Sequence[Following],
    ) -> list[Delivery]:
        expired = [each for each in followings if each.subscription.epoch != snapshot.epoch]
        self._end(expired, CURSOR_EXPIRED)
        page = self._feed.page(snapshot, principal, subscription, seq, PAGE_MOST)
        frames = [self._frame(subscription.user_id, snapshot.epoch, message) for message in page.messages]
        deliveries = []
        for following in followings:
            if following.subscription.epoch == snapshot.epoch:
                following.seq, following.is_behind = page.seq, page.more
                deliveries.append(Delivery(following, frames, page.seq, page.more))
        return deliveries

    def _frame(self, user_id: str, epoch: FeedEpoch, message: Message) -> Frame:
        return frame_of(message, self._feed.cursor(user_id, epoch, message.seq, message.at_us))

    def _end(self, followings: Sequence[Following], ending: Ending) -> None:
        for following in followings:
            self._registry.remove(following)
        if followings:
            self._post([Delivery(each, [], each.seq, False, ending) for each in followings])
