"""How the hub shares its thread among people when one of them has much to read."""

from __future__ import annotations

import pytest

from tests.unit.sync.test_hub import World, following
from vault.errors import NotAuthenticated
from vault.sync.endings import CREDENTIAL_ENDED
from vault.sync.hub import Hub


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def hub(world: World) -> Hub:
    """A hub that has no time: a turn makes one page for each person."""
    return Hub(world.read, lambda: world.locked, world, world, world.post, world.clock, slice_seconds=0.0)


def test_one_person_with_much_to_read_does_not_keep_the_others_waiting(world: World, hub: Hub) -> None:
    many = [following(f"t{number}", references=(name,)) for number in range(2) for name in ("prod", "dev", "eu")]
    other = following("t9", user="eve")
    for each in [*many, other]:
        hub.join(each)
    world.numbers.update(ada=1, eve=1)
    hub.turn()
    assert world.told(other) == ["eve@1"]
    assert sum(bool(world.told(each)) for each in many) == 1
    # Every credential is judged in the first turn, also those whose pages must wait.
    assert {f"judge t{number}" for number in (0, 1, 9)} <= set(world.done)


def test_what_a_turn_leaves_over_is_done_first_and_told_once(world: World, hub: Hub) -> None:
    many = [following(references=(name,)) for name in ("prod", "dev", "eu")]
    for each in many:
        hub.join(each)
    for number in range(1, 4):
        # Each turn has news for all, so those that were served could take all turns.
        world.numbers["ada"] = number
        hub.turn()
    assert all(world.told(each) for each in many)
    for _ in range(3):
        hub.turn()
    assert [world.told(each) for each in many] == [["ada@1", "ada@2", "ada@3"]] * 3
    world.forget()
    hub.turn()
    assert world.done == ["read"]


def test_the_end_of_a_credential_does_not_wait_for_the_pages_of_others(world: World, hub: Hub) -> None:
    first, ended = following("t1"), following("t2")
    hub.join(first)
    hub.join(ended)
    world.numbers["ada"] = 1
    world.ended["t2"] = NotAuthenticated()
    hub.turn()
    assert world.endings() == {ended: CREDENTIAL_ENDED}
