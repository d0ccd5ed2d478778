"""What the hub tells whom: the order of its steps, what it does when credentials end, and that it is loud."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest

from tests.support.vaults import FakeClock
from vault.errors import CursorExpired, DatabaseUnavailable, Forbidden, MacError, NotAuthenticated
from vault.model.clock import SECOND_US
from vault.model.principal import Principal, PrincipalKind
from vault.observe import metrics
from vault.services.sync.feed import Page, Snapshot, Subscription
from vault.services.sync.judging import Follower
from vault.services.sync.message import ChangeKind, Message, MessageType
from vault.storage import FeedEpoch
from vault.sync import hub as module
from vault.sync.endings import CREDENTIAL_ENDED, CURSOR_EXPIRED, FAILED, LOCKED, REFUSED, Ending
from vault.sync.following import Following
from vault.sync.hub import Delivery, Hub, Reading
from vault.sync.listener import Listener

EPOCH, OTHER_EPOCH = FeedEpoch("a", 1), FeedEpoch("a", 2)


@dataclass
class FakeSnapshot:
    """What has changed for a person after a number: the numbers of the changes."""

    epoch: FeedEpoch
    since_seq: int
    seq: int


@dataclass
class World:
    """A database with people whose every change is visible, and what the hub has done with it."""

    clock: FakeClock = field(default_factory=FakeClock)
    epoch: FeedEpoch = EPOCH
    numbers: dict[str, int] = field(default_factory=lambda: {"ada": 0, "eve": 0})
    is_mixed: bool = False
    locked: bool = False
    away: bool = False
    done: list[str] = field(default_factory=list)
    posted: list[Delivery] = field(default_factory=list)
    ended: dict[str, Exception] = field(default_factory=dict)
    """Why the credential with this id has ended."""
    until_us: int | None = None
    oldest: int = 0
    broken: set[str] = field(default_factory=set)
    during_snapshot: list[str] = field(default_factory=list)
    """People who get one more change right after the next snapshot."""

    def read(self, user_ids: Sequence[str]) -> Reading:
        self.done.append("read")
        if self.away:
            raise DatabaseUnavailable()
        numbers = {user: self.numbers[user] for user in user_ids if user in self.numbers}
        return Reading(self.epoch, numbers, self.is_mixed)

    def snapshot(self, user_id: str, since_seq: int) -> Snapshot:
        self.done.append(f"snapshot {user_id} {since_seq}")
        if user_id in self.broken:
            raise MacError()
        if since_seq < self.oldest:
            raise CursorExpired()
        found = FakeSnapshot(self.epoch, since_seq, self.numbers[user_id])
        if self.during_snapshot:
            self.numbers[self.during_snapshot.pop()] += 1
        return cast(Snapshot, found)

    def page(
        self, snapshot: Snapshot, principal: Principal, subscription: Subscription, since_seq: int, limit: int = 500
    ) -> Page:
        self.done.append(f"page {principal.id}")
        if since_seq < snapshot.since_seq:
            raise ValueError
        found = [
            Message(seq, seq, MessageType.CHANGE, ChangeKind.WRITE, f"e{seq}", "prod", 1, None)
            for seq in range(since_seq + 1, snapshot.seq + 1)
        ]
        more = len(found) > limit
        return Page(tuple(found[:limit]), found[limit - 1].seq if more else snapshot.seq, more)

    def cursor(self, user_id: str, epoch: FeedEpoch, seq: int, at_us: int | None = None) -> str:
        return f"{user_id}@{seq}"

    def again(self, follower: Follower) -> Principal:
        self.done.append(f"judge {follower.admitted.id}")
        if follower.admitted.id in self.ended:
            raise self.ended[follower.admitted.id]
        follower.until_us = self.until_us
        return follower.admitted

    def post(self, deliveries: list[Delivery]) -> None:
        self.posted += deliveries

    # -- What the tests look at --

    def told(self, following: Following) -> list[str]:
        return [frame.cursor for each in self.posted if each.following is following for frame in each.frames]

    def endings(self) -> dict[Following, Ending]:
        return {each.following: each.ending for each in self.posted if each.ending is not None}

    def forget(self) -> None:
        self.done.clear()
        self.posted.clear()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def hub(world: World) -> Hub:
    return Hub(world.read, lambda: world.locked, world, world, world.post, world.clock)


def following(
    credential: str = "t1", user: str = "ada", seq: int = 0, references: tuple[str | None, ...] | None = ("prod",)
) -> Following:
    follower = Follower(Principal(PrincipalKind.TOKEN, credential, user, user))
    return Following(Listener(), follower, Subscription(user, references, EPOCH, seq), seq)


def test_a_new_follower_is_told_what_came_between_its_subscription_and_the_first_turn(world: World, hub: Hub) -> None:
    late = following(seq=3)
    world.numbers["ada"] = 5
    hub.join(late)
    hub.turn()
    assert world.told(late) == ["ada@4", "ada@5"]


def test_one_who_joins_others_is_told_what_they_know_already(world: World, hub: Hub) -> None:
    world.numbers["ada"] = 5
    first, late = following(seq=5), following(seq=3)
    hub.join(first)
    hub.turn()
    hub.join(late)
    hub.turn()
    assert (world.told(first), world.told(late)) == ([], ["ada@4", "ada@5"])


def test_one_who_joins_while_the_database_goes_away_is_told_when_it_is_back(world: World, hub: Hub) -> None:
    world.numbers["ada"] = 5
    hub.join(following(seq=5))
    hub.turn()
    late = following("t2", seq=3)
    hub.join(late)
    world.ended["t2"] = DatabaseUnavailable()
    with pytest.raises(DatabaseUnavailable):
        hub.turn()
    del world.ended["t2"]
    hub.turn()
    assert world.told(late) == ["ada@4", "ada@5"]


def test_the_order_is_number_snapshot_judgement_page(world: World, hub: Hub) -> None:
    hub.join(following())
    hub.turn()
    assert world.done == ["read", "snapshot ada 0", "judge t1", "page t1"]


def test_without_a_change_nothing_is_read_but_the_numbers(world: World, hub: Hub) -> None:
    hub.join(following())
    hub.turn()
    world.forget()
    hub.turn()
    assert (world.done, world.posted) == (["read"], [])


def test_a_change_while_pages_are_read_is_told_in_the_next_turn_and_nothing_twice(world: World, hub: Hub) -> None:
    follower = following()
    hub.join(follower)
    hub.turn()
    world.numbers["ada"] = 1
    world.during_snapshot = ["ada"]
    hub.turn()
    hub.turn()
    hub.turn()
    assert world.told(follower) == ["ada@1", "ada@2"]


def test_each_credential_is_judged_once_and_each_page_made_once_for_all_that_are_alike(world: World, hub: Hub) -> None:
    alike = [following() for _ in range(50)]
    for each in [*alike, following(references=None), following("t2")]:
        hub.join(each)
    world.numbers["ada"] = 1
    hub.turn()
    assert world.done.count("snapshot ada 0") == 1
    assert [world.done.count(f"judge {name}") for name in ("t1", "t2")] == [1, 1]
    assert [world.done.count(f"page {name}") for name in ("t1", "t2")] == [2, 1]
    assert {tuple(world.told(each)) for each in alike} == {("ada@1",)}
    frames = {id(delivery.frames[0]) for delivery in world.posted if delivery.following in alike}
    assert len(frames) == 1, "The frame is encoded once for all of them."


def test_a_change_of_one_person_wakes_no_other(world: World, hub: Hub) -> None:
    ada, eve = following(), following("t9", "eve")
    hub.join(ada)
    hub.join(eve)
    hub.turn()
    world.forget()
    world.numbers["eve"] = 1
    hub.turn()
    assert world.done == ["read", "snapshot eve 0", "judge t9", "page t9"]
    assert (world.told(ada), world.told(eve)) == ([], ["eve@1"])


@pytest.mark.parametrize(
    ("error", "ending"), [(NotAuthenticated(), CREDENTIAL_ENDED), (Forbidden(), REFUSED)], ids=["ended", "refused"]
)
def test_a_credential_that_has_ended_is_told_nothing_of_what_came_with_it(
    world: World, hub: Hub, error: Exception, ending: Ending
) -> None:
    first, second = following(), following("t2")
    hub.join(first)
    hub.join(second)
    hub.turn()
    world.numbers["ada"] = 1
    world.ended["t1"] = error
    hub.turn()
    assert world.endings() == {first: ending}
    assert (world.told(first), world.told(second)) == ([], ["ada@1"])
    world.forget()
    world.numbers["ada"] = 2
    hub.turn()
    assert "judge t1" not in world.done


def test_a_credential_is_judged_when_it_ends_by_itself(world: World, hub: Hub) -> None:
    world.until_us = world.clock() + 5 * SECOND_US
    follower = following()
    hub.join(follower)
    hub.turn()
    world.forget()
    hub.turn()
    assert world.done == ["read"]
    world.clock.advance(5)
    world.ended["t1"] = NotAuthenticated()
    hub.turn()
    assert world.endings() == {follower: CREDENTIAL_ENDED}


def test_a_session_that_was_used_elsewhere_lives_on_past_its_first_end(world: World, hub: Hub) -> None:
    world.until_us = world.clock() + 5 * SECOND_US
    hub.join(following())
    hub.turn()
    world.clock.advance(5)
    world.until_us = world.clock() + 5 * SECOND_US
    world.forget()
    hub.turn()
    hub.turn()
    assert (world.done, world.endings()) == (["read", "judge t1", "read"], {})


def test_every_credential_is_judged_again_when_its_minute_is_over(world: World, hub: Hub) -> None:
    hub.join(following())
    hub.turn()
    (person,) = hub._registry.people()
    (credential,) = person.credentials()
    credential.judged_seconds -= module.JUDGE_SECONDS
    world.forget()
    hub.turn()
    hub.turn()
    assert world.done == ["read", "judge t1", "read"]


def test_beside_a_worker_of_another_release_it_is_judged_every_second(world: World, hub: Hub) -> None:
    hub.join(following())
    hub.turn()
    (person,) = hub._registry.people()
    (credential,) = person.credentials()
    for is_mixed, seconds, done in (
        (False, module.JUDGE_MIXED_SECONDS, ["read"]),
        (True, module.JUDGE_MIXED_SECONDS, ["read", "judge t1"]),
        (True, 0.0, ["read"]),
    ):
        world.is_mixed = is_mixed
        credential.judged_seconds -= seconds
        world.forget()
        hub.turn()
        assert world.done == done, (is_mixed, seconds)


def test_a_lock_ends_everything_and_asks_nothing(world: World, hub: Hub) -> None:
    ada, eve = following(), following("t9", "eve")
    hub.join(ada)
    hub.join(eve)
    world.locked = True
    hub.turn()
    assert (world.endings(), world.done) == ({ada: LOCKED, eve: LOCKED}, [])
    assert not hub.is_needed


def test_an_erased_person_s_streams_end(world: World, hub: Hub) -> None:
    ada, eve = following(), following("t9", "eve")
    hub.join(ada)
    hub.join(eve)
    hub.turn()
    del world.numbers["ada"]
    hub.turn()
    assert world.endings() == {ada: CREDENTIAL_ENDED}


@pytest.mark.parametrize("is_told_before", [True, False])
def test_another_epoch_ends_every_stream_of_the_old_one(world: World, hub: Hub, is_told_before: bool) -> None:
    follower = following()
    hub.join(follower)
    if is_told_before:
        hub.turn()
    world.epoch = OTHER_EPOCH
    hub.turn()
    assert world.endings() == {follower: CURSOR_EXPIRED}
    assert world.told(follower) == []


def test_a_follower_that_is_behind_gets_page_after_page_as_it_takes_them(world: World, hub: Hub) -> None:
    world.numbers["ada"] = 2 * module.PAGE_MOST + 1
    follower, current = following(), following("t2", seq=2 * module.PAGE_MOST)
    hub.join(follower)
    hub.join(current)
    hub.turn()
    assert len(world.told(follower)) == module.PAGE_MOST
    # A change meanwhile is told to the other at once, and to this one in its turn.
    world.numbers["ada"] += 1
    hub.turn()
    assert len(world.told(follower)) == module.PAGE_MOST
    assert len(world.told(current)) == 2
    for _ in range(2):
        hub.resume(follower)
        hub.turn()
    assert world.told(follower) == [f"ada@{seq}" for seq in range(1, 2 * module.PAGE_MOST + 3)]
    world.numbers["ada"] += 1
    hub.turn()
    assert world.told(follower)[-1] == world.told(current)[-1]


def test_a_credential_is_judged_at_a_change_also_while_its_follower_is_behind(world: World, hub: Hub) -> None:
    world.numbers["ada"] = module.PAGE_MOST + 1
    follower = following()
    hub.join(follower)
    hub.turn()
    world.numbers["ada"] += 1
    world.ended["t1"] = NotAuthenticated()
    hub.turn()
    assert world.endings() == {follower: CREDENTIAL_ENDED}


def test_a_follower_whose_changes_are_deleted_begins_anew_and_disturbs_no_other(world: World, hub: Hub) -> None:
    # The second one shares its credential with the one that is late.
    late, current = following(seq=3), following(seq=9)
    world.numbers["ada"], world.oldest = 10, 5
    hub.join(late)
    hub.join(current)
    hub.turn()
    assert world.endings() == {late: CURSOR_EXPIRED}
    assert world.told(current) == ["ada@10"]


def test_nothing_is_lost_while_the_database_is_away(world: World, hub: Hub) -> None:
    follower = following()
    hub.join(follower)
    world.away = True
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable):
            hub.turn()
    assert hub.is_needed
    world.numbers["ada"], world.away = 2, False
    hub.turn()
    assert (world.told(follower), world.endings()) == (["ada@1", "ada@2"], {})


def test_nothing_is_lost_if_the_database_goes_away_in_the_middle_of_a_turn(world: World, hub: Hub) -> None:
    follower, fresh = following(), following("t2")
    hub.join(follower)
    hub.turn()
    hub.join(fresh)
    world.numbers["ada"] = 1
    world.ended["t2"] = DatabaseUnavailable()
    with pytest.raises(DatabaseUnavailable):
        hub.turn()
    del world.ended["t2"]
    hub.turn()
    assert (world.told(follower), world.told(fresh)) == (["ada@1"], ["ada@1"])


def test_those_who_were_told_before_the_database_went_away_are_not_told_twice(world: World, hub: Hub) -> None:
    first, second = following(), following("t2")
    hub.join(first)
    hub.join(second)
    hub.turn()
    world.numbers["ada"] = 1
    world.ended["t2"] = DatabaseUnavailable()
    with pytest.raises(DatabaseUnavailable):
        hub.turn()
    assert (world.told(first), world.told(second)) == (["ada@1"], [])
    del world.ended["t2"]
    hub.turn()
    assert (world.told(first), world.told(second)) == (["ada@1"], ["ada@1"])


def test_a_failure_ends_the_streams_of_that_person_loudly_and_of_no_other(
    world: World, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    ada, eve = following(), following("t9", "eve")
    hub.join(ada)
    hub.join(eve)
    world.broken = {"ada"}
    world.numbers["eve"] = 1
    before = metrics().feed_failures._value.get()
    hub.turn()
    assert world.endings() == {ada: FAILED}
    assert world.told(eve) == ["eve@1"]
    assert metrics().feed_failures._value.get() == before + 1
    assert "feed_failed" in capsys.readouterr().err


def test_one_who_has_left_is_told_nothing_and_the_last_one_lets_the_tail_rest(world: World, hub: Hub) -> None:
    first, second = following(), following()
    hub.join(first)
    hub.join(second)
    hub.leave(first)
    world.numbers["ada"] = 1
    hub.turn()
    assert (world.told(first), world.told(second)) == ([], ["ada@1"])
    hub.leave(second)
    hub.leave(second)
    hub.resume(second)
    assert not hub.is_needed
