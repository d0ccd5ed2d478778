"""Older revisions: compared, gone back to, let go of, and deleted when their time has come."""

from __future__ import annotations

from typing import Unpack

import pytest

from tests.support.vaults import (
    FakeClock,
    add_environment,
    add_token,
    as_token,
    grant,
    patch,
    put,
    run_sql,
    values,
    write,
)
from vault.errors import NotFound, NotGranted, RevisionDeleted
from vault.model.environment import Variable
from vault.model.principal import Principal
from vault.services import Services
from vault.services.environments.values import LAYER_EMPTY, Question
from vault.services.environments.variables import Precondition
from vault.services.environments.wishes import Wishes


def numbers(vault: Services, who: Principal, reference: str | None = "prod") -> list[int]:
    return [revision.number for revision in vault.environments.history.revisions(who, reference, None, 200)]


def rollback(vault: Services, who: Principal, number: int) -> int | None:
    return write(vault, lambda unit: vault.environments.history.rollback(unit, who, "prod", number)).revision


def rules(vault: Services, who: Principal, **wishes: Unpack[Wishes]) -> None:
    write(vault, lambda unit: vault.environments.environments.change(unit, who, "prod", wishes))


def test_revisions_are_listed_the_newest_first_with_their_facts(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    add_environment(vault, ada, "prod", A="1")
    clock.advance(5)
    patch(vault, ada, "prod", A="2")
    newest, oldest = vault.environments.history.revisions(ada, "prod", None, 10)
    assert (newest.number, oldest.number) == (2, 1)
    assert (newest.created_us, newest.created_by, newest.destroyed) == (clock(), ada.label, False)
    assert newest.variables is None
    assert [found.number for found in vault.environments.history.revisions(ada, "prod", 2, 10)] == [1]
    assert vault.environments.history.get(ada, "prod", 1).variables == (Variable("A", "1"),)


def test_two_revisions_differ_by_name(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1", B="2", C="3")
    put(vault, ada, "prod", Variable("D", "4"), Variable("A", "1"), Variable("B", "two"))
    found = vault.environments.history.diff(ada, "prod", 2, 1)
    assert [(change.name, change.kind) for change in found] == [("D", "added"), ("B", "changed"), ("C", "removed")]
    assert found[1].before == Variable("B", "2")
    assert found[1].after == Variable("B", "two")
    assert [change.kind for change in vault.environments.history.diff(ada, "prod", 1, 0)] == ["added"] * 3
    assert vault.environments.history.diff(ada, "prod", 2, 2) == []


def test_a_rollback_to_nothing_is_a_revision_without_variables(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    assert rollback(vault, ada, 0) == 2
    assert values(vault, ada, "prod") == {}
    assert rollback(vault, ada, 1) == 3
    assert values(vault, ada, "prod") == {"A": "1"}


def test_a_rollback_is_a_new_revision(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    patch(vault, ada, "prod", A="2", B="3")
    assert rollback(vault, ada, 1) == 3
    assert values(vault, ada, "prod") == {"A": "1"}
    assert rollback(vault, ada, 3) == 4
    assert numbers(vault, ada) == [4, 3, 2, 1]


def test_there_is_no_way_to_a_revision_that_never_was(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    patch(vault, ada, "prod", A="2")
    with pytest.raises(NotFound):
        vault.environments.history.get(ada, "prod", 0)
    for number in (3, -1, 10**12):
        for call in (rollback, lambda vault, who, number: vault.environments.history.get(who, "prod", number)):
            with pytest.raises(NotFound):
                call(vault, ada, number)
    with pytest.raises(NotFound):
        vault.environments.history.diff(ada, "prod", 1, 3)
    assert numbers(vault, ada) == [2, 1]


def test_only_as_many_versions_are_kept_as_shall_be(vault: Services, ada: Principal) -> None:
    row = add_environment(vault, ada, "prod", A="0")
    rules(vault, ada, max_versions=3)
    for number in range(1, 6):
        patch(vault, ada, "prod", A=str(number))
    assert numbers(vault, ada) == [6, 5, 4]
    with pytest.raises(NotFound):
        rollback(vault, ada, 3)
    rules(vault, ada, max_versions=1)
    assert numbers(vault, ada) == [6]
    assert values(vault, ada, "prod") == {"A": "5"}
    assert len(run_sql(vault, "SELECT 1 FROM revisions WHERE environment_id = :id", id=row.id)) == 1


def test_a_revision_is_deleted_when_its_time_has_come_and_the_next_write_goes_on(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    add_environment(vault, ada, "prod")
    rules(vault, ada, delete_version_after_seconds=60)
    patch(vault, ada, "prod", A="1")
    clock.advance(59.999)
    etag = vault.environments.values.read(ada, "prod", Question()).etag
    assert values(vault, ada, "prod") == {"A": "1"}
    clock.advance(0.001)
    for call in (
        lambda: values(vault, ada, "prod"),
        lambda: vault.environments.values.read(ada, "prod", Question(), [etag]),
        lambda: vault.environments.variables.read(ada, "prod"),
        lambda: vault.environments.history.get(ada, "prod", 1),
        lambda: rollback(vault, ada, 1),
    ):
        with pytest.raises(RevisionDeleted):
            call()
    assert vault.environments.environments.get(ada, "prod").revision == 1
    assert numbers(vault, ada) == [1]
    assert patch(vault, ada, "prod", B="2") == 2
    assert values(vault, ada, "prod") == {"B": "2"}


def test_an_empty_put_after_a_deletion_is_a_write(vault: Services, ada: Principal, clock: FakeClock) -> None:
    add_environment(vault, ada, "prod")
    rules(vault, ada, delete_version_after_seconds=60)
    patch(vault, ada, "prod", A="1")
    clock.advance(60)
    said = Precondition(none=True)
    assert write(vault, lambda unit: vault.environments.variables.replace(unit, ada, "prod", [], said)).revision == 2
    assert values(vault, ada, "prod") == {}


def test_deleted_globals_are_an_empty_layer_with_a_warning(vault: Services, ada: Principal, clock: FakeClock) -> None:
    add_environment(vault, ada, "prod", A="1")
    write(
        vault,
        lambda unit: vault.environments.environments.change(unit, ada, None, {"delete_version_after_seconds": 60}),
    )
    patch(vault, ada, None, G="g")
    before = vault.environments.values.read(ada, "prod", Question())
    clock.advance(60)
    after = vault.environments.values.read(ada, "prod", Question(), [before.etag])
    assert after.resolved is not None
    assert after.resolved.values == {"A": "1"}
    assert after.resolved.warnings == (LAYER_EMPTY,)
    with pytest.raises(RevisionDeleted):
        values(vault, ada, None)


def test_reading_history_and_going_back_are_granted_apart(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    reader = as_token(vault, add_token(vault, ada, grant("history", path="prod")).secret)
    writer = as_token(vault, add_token(vault, ada, grant("update", path="prod")).secret)
    both = as_token(vault, add_token(vault, ada, grant("update,history", path="prod")).secret)
    patch(vault, ada, "prod", A="2")
    assert vault.environments.history.get(reader, "prod", 1).number == 1
    for call in (
        lambda: rollback(vault, reader, 1),
        lambda: rollback(vault, writer, 1),
        lambda: numbers(vault, writer),
    ):
        with pytest.raises(NotGranted):
            call()
    assert rollback(vault, both, 1) == 3
