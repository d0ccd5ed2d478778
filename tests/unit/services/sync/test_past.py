"""What environments were before each change, found by undoing the changes."""

from __future__ import annotations

import uuid

from vault.model.action import Action
from vault.model.environment import EnvironmentKind
from vault.model.grant import Target
from vault.services.sync.message import ChangeKind
from vault.services.sync.past import Past, State
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
