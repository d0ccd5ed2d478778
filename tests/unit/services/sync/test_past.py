"""What environments were before each change, found by undoing the changes."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from vault.model.action import Action
from vault.model.environment import EnvironmentKind
from vault.model.grant import Target
from vault.model.principal import Principal, PrincipalKind
from vault.services.sync.message import ChangeKind
from vault.services.sync.past import Past, State
from vault.services.sync.telling import Sight, TellerOfSome
from vault.storage import ChangeRow

A, B, C = (str(uuid.UUID(int=number)) for number in (1, 2, 3))


def state(environment_id: str, name: str, *bases: str, is_living: bool = True) -> State:
    return State(Target(EnvironmentKind.ENVIRONMENT, name, environment_id), bases, is_living)


def row(
    seq: int, kind: Action, environment_id: str | None, old: str | None = None, new: str | None = None
) -> ChangeRow:
    return ChangeRow(seq, str(kind), environment_id, None, seq, old, new)


def test_names_and_lives_are_undone_from_the_newest() -> None:
    changes = [
        row(2, Action.ENVIRONMENT_CREATE, A, None, "one"),
        row(3, Action.TOKEN_CREATE, None),
        row(5, Action.ENVIRONMENT_CHANGE, A, "one", "two"),
        row(6, Action.ENVIRONMENT_CHANGE, A),
        row(7, Action.ENVIRONMENT_DELETE, A, "two", ""),
        row(9, Action.ENVIRONMENT_UNDELETE, A, "two", "three"),
    ]
    past = Past({A: state(A, "three")}, changes)
    expected = [
        None,
        state(A, "one"),
        state(A, "two"),
        state(A, "two"),
        state(A, "two", is_living=False),
        state(A, "three"),
    ]
    assert [past.at(A, version) for version in range(6)] == expected
    assert [(step.seq, step.kind) for step in past.steps] == [
        (2, ChangeKind.CREATE),
        (5, ChangeKind.RENAME),
        (6, ChangeKind.CHANGE),
        (7, ChangeKind.DELETE),
        (9, ChangeKind.UNDELETE),
    ]
    assert [step.is_structural for step in past.steps] == [True, True, False, True, True]
    assert [past.version_after(seq) for seq in (1, 2, 4, 5, 9, 10)] == [0, 1, 1, 2, 5, 5]


def test_a_name_belongs_to_one_environment_at_a_time() -> None:
    changes = [row(1, Action.ENVIRONMENT_CHANGE, A, "prod", "old"), row(2, Action.ENVIRONMENT_CHANGE, B, "new", "prod")]
    past = Past({A: state(A, "old"), B: state(B, "prod")}, changes)
    found = [past.named("prod", version) for version in range(3)]
    assert [each.id if each else None for each in found] == [A, None, B]
    assert past.named("nowhere", 0) is None


def test_an_erased_environment_is_known_from_its_last_change() -> None:
    past = Past(
        {}, [row(1, Action.ENVIRONMENT_CHANGE, A, "one", "two"), row(2, Action.ENVIRONMENT_ERASE, A, "two", "")]
    )
    assert [past.at(A, version) for version in range(3)] == [state(A, "one"), state(A, "two"), None]
    # A worker of an older release has stored no name.
    assert Past({}, [row(2, Action.ENVIRONMENT_ERASE, A)]).at(A, 0) is None


def test_bases_that_can_never_have_been_are_followed_without_an_end() -> None:
    """A worker of an older release stores no former bases, so undoing the others can make a loop."""
    past = Past({A: state(A, "a", B), B: state(B, "b", A, C), C: state(C, "c")}, [])
    assert set(past.beneath(A, 0)) == {B, C}
    assert set(past.beneath(B, 0)) == {A, C}


def test_what_is_beneath_has_the_order_of_values() -> None:
    past = Past({A: state(A, "a", C, B), B: state(B, "b", C), C: state(C, "c")}, [])
    assert past.beneath(A, 0) == (C, B)
    ended = Past({A: state(A, "a", B), B: state(B, "b", C, is_living=False), C: state(C, "c")}, [])
    assert ended.beneath(A, 0) == (B,)


class Counted(int):
    """A version that counts how often it is compared."""

    compared = 0

    def __lt__(self, other: int) -> bool:
        Counted.compared += 1
        return super().__lt__(other)

    def __ge__(self, other: int) -> bool:
        Counted.compared += 1
        return super().__ge__(other)


STEPS = 1000
COMPARED_MOST = 20
"""A search by halves compares eleven times."""


def compared(look_up: Callable[[int], object], version: int) -> int:
    Counted.compared = 0
    look_up(Counted(version))
    return Counted.compared


def test_an_environment_that_was_renamed_a_thousand_times_is_found_at_once() -> None:
    names = ("one", "two")
    changes = [row(n, Action.ENVIRONMENT_CHANGE, A, names[n % 2], names[1 - n % 2]) for n in range(1, STEPS + 1)]
    past = Past({A: state(A, "two")}, changes)
    for version in (0, 1, 500, STEPS):
        name = names[(version + 1) % 2]
        assert past.at(A, version) == past.named(name, version) == state(A, name)
        assert past.named(names[version % 2], version) is None
        assert compared(lambda at: past.at(A, at), version) <= COMPARED_MOST
        assert compared(lambda at: past.named("one", at), version) <= COMPARED_MOST


def test_a_name_that_a_thousand_environments_had_is_found_at_once() -> None:
    ids = [str(uuid.UUID(int=100 + number)) for number in range(STEPS)]
    changes = []
    for number, each in enumerate(ids):
        changes.append(row(2 * number + 1, Action.ENVIRONMENT_CREATE, each, None, "prod"))
        changes.append(row(2 * number + 2, Action.ENVIRONMENT_CHANGE, each, "prod", f"old-{number}"))
    past = Past({each: state(each, f"old-{number}") for number, each in enumerate(ids)}, changes)
    for number in (0, 1, 500, STEPS - 1):
        assert past.named("prod", 2 * number) is None
        assert past.named("prod", 2 * number + 1) == state(ids[number], "prod")
        assert past.named(f"old-{number}", 2 * number + 2) == state(ids[number], f"old-{number}")
        assert compared(lambda at: past.named("prod", at), 2 * number + 1) <= COMPARED_MOST


def test_a_name_is_given_on_when_two_seem_to_have_it() -> None:
    """A worker of an older release stores no former name, so B seems to have had this one from the start."""
    changes = [
        row(1, Action.ENVIRONMENT_DELETE, A, "prod", ""),
        row(2, Action.ENVIRONMENT_CHANGE, B),
        row(3, Action.ENVIRONMENT_DELETE, B, "prod", ""),
    ]
    for now in ((A, B), (B, A)):
        past = Past({each: state(each, "prod", is_living=False) for each in now}, changes)
        found = [past.named("prod", version) for version in range(4)]
        assert found[0] is not None
        assert [each.id if each else None for each in found[1:]] == [B, B, None]


class CountedSight(Sight):
    """Sees everything, and counts how often it is asked."""

    asked = 0

    def sees(self, state: State | None) -> bool:
        self.asked += 1
        return state is not None and state.is_living


def test_renames_of_a_base_do_not_make_a_page_look_everything_up_again() -> None:
    bases, above = ("one", "two"), [str(uuid.UUID(int=100 + number)) for number in range(100)]
    now = {A: state(A, "two"), **{each: state(each, f"app-{n}", A) for n, each in enumerate(above)}}
    changes = [row(n, Action.ENVIRONMENT_CHANGE, A, bases[n % 2], bases[1 - n % 2]) for n in range(1, STEPS + 1)]
    past = Past(now, changes)
    sight = CountedSight(Principal(PrincipalKind.TOKEN, "id", "user", "ada"), past, {})
    references = tuple(f"app-{n}" for n in range(100))
    teller = TellerOfSome(sight, past, references, 0)
    for version, step in enumerate(past.steps, 1):
        message = teller.tell(step, version)
        assert message is not None
        assert message.affects == references
    # With a new look-up of every reference it would be 300 times a step.
    assert sight.asked <= 10 * STEPS
