"""Environments as things: named, listed, renamed, copied, deleted and brought back."""

from __future__ import annotations

from typing import Any, Unpack

import pytest

from tests.support.vaults import FakeClock, add_environment, opened_again, patch, run_sql, values, write
from vault.errors import InvalidInput, NameTaken, NotFound, QuotaExceeded, RevisionDeleted
from vault.model.environment import Environment, Variable
from vault.model.principal import Principal
from vault.services import Services
from vault.services.environments.wishes import Wishes


def names(vault: Services, who: Principal, **wishes: Any) -> list[str]:
    return [found.name for found in vault.environments.environments.list(who, limit=wishes.pop("limit", 50), **wishes)]


def change(vault: Services, who: Principal, reference: str | None, **wishes: Unpack[Wishes]) -> Environment:
    def run(unit: Any) -> Environment:
        return vault.environments.environments.view(
            unit, vault.environments.environments.change(unit, who, reference, wishes)
        )

    return write(vault, run)


def delete(vault: Services, who: Principal, reference: str) -> None:
    write(vault, lambda unit: vault.environments.environments.delete(unit, who, reference))


def undelete(vault: Services, who: Principal, reference: str, name: str | None = None) -> str:
    row = write(vault, lambda unit: vault.environments.environments.undelete(unit, who, reference, name))
    return str(row.id)


def test_a_new_environment_is_empty_and_has_its_rules(vault: Services, ada: Principal, clock: FakeClock) -> None:
    row = add_environment(vault, ada, "team/prod")
    found = vault.environments.environments.get(ada, "team/prod")
    assert (found.id, found.revision, found.max_versions, found.cas_required) == (row.id, None, 100, False)
    assert (found.created_us, found.deleted_us) == (clock(), None)
    assert values(vault, ada, "team/prod") == {}


def test_names_are_unique_among_ones_own_living_ones(vault: Services, ada: Principal, bob: Principal) -> None:
    add_environment(vault, ada, "caf\u00e9")
    for name in ("caf\u00e9", "cafe\u0301"):
        with pytest.raises(NameTaken):
            add_environment(vault, ada, name)
    add_environment(vault, bob, "caf\u00e9")
    add_environment(vault, ada, "Caf\u00e9")


def test_two_people_with_one_name_never_meet(vault: Services, ada: Principal, bob: Principal) -> None:
    mine = add_environment(vault, ada, "prod", A="ada's")
    theirs = add_environment(vault, bob, "prod", A="bob's")
    patch(vault, bob, None, G="bob's globals")
    assert values(vault, ada, "prod") == {"A": "ada's"}
    assert values(vault, bob, "prod") == {"A": "bob's", "G": "bob's globals"}
    never = "3f0e1c9a-0000-4000-8000-00000000abcd"
    told = set()
    for reference in (theirs.id, never):
        for verb in (
            lambda ref: vault.environments.environments.get(ada, ref),
            lambda ref: vault.environments.variables.read(ada, ref),
            lambda ref: values(vault, ada, ref),
            lambda ref: vault.environments.history.revisions(ada, ref, None, 5),
            lambda ref: patch(vault, ada, ref, A="x"),
            lambda ref: change(vault, ada, ref, name="mine"),
            lambda ref: delete(vault, ada, ref),
            lambda ref: undelete(vault, ada, ref),
        ):
            with pytest.raises(NotFound) as caught:
                verb(reference)
            told.add((type(caught.value), str(caught.value)))
    assert told == {(NotFound, NotFound.sentence)}
    assert values(vault, bob, theirs.id)["A"] == "bob's"
    assert vault.environments.environments.get(ada, mine.id).revision == 1


def test_a_list_is_paged_in_order_of_name(vault: Services, ada: Principal, bob: Principal) -> None:
    add_environment(vault, bob, "aa")
    made = ["a", "b", "c", "d", "e"]
    for name in reversed(made):
        add_environment(vault, ada, name)
    assert names(vault, ada) == made
    assert names(vault, ada, limit=2) == ["a", "b"]
    assert names(vault, ada, limit=2, after="b") == ["c", "d"]
    assert names(vault, ada, name="c") == ["c"]
    assert names(vault, ada, name="nothing") == []


def test_globals_are_in_no_list_and_have_no_name(vault: Services, ada: Principal) -> None:
    assert names(vault, ada) == []
    with pytest.raises(NotFound):
        vault.environments.environments.get(ada, "globals")
    with pytest.raises(InvalidInput):
        change(vault, ada, None, name="x")
    assert vault.environments.environments.get(ada, None).kind == "globals"


def test_globals_cannot_be_deleted_by_their_id(vault: Services, ada: Principal) -> None:
    id = vault.environments.environments.get(ada, None).id
    with pytest.raises((InvalidInput, NotFound)):
        delete(vault, ada, id)
    patch(vault, ada, None, G="1")


def test_a_rename_keeps_all_but_the_name(vault: Services, ada: Principal, clock: FakeClock) -> None:
    row = add_environment(vault, ada, "old", A="1")
    clock.advance(5)
    found = change(vault, ada, "old", name="new", description="d")
    assert (found.id, found.name, found.updated_us, found.description) == (row.id, "new", clock(), "d")
    assert values(vault, ada, "new") == {"A": "1"}
    with pytest.raises(NotFound):
        values(vault, ada, "old")
    add_environment(vault, ada, "old")
    with pytest.raises(NameTaken):
        change(vault, ada, "new", name="old")
    assert change(vault, ada, "new", name="new").name == "new"


@pytest.mark.parametrize(
    "wishes",
    [
        {"name": "../x"},
        {"max_versions": 0},
        {"max_versions": 1001},
        {"delete_version_after_seconds": -1},
        {"description": "x" * 4097},
    ],
)
def test_these_wishes_are_refused(vault: Services, ada: Principal, wishes: dict[str, Any]) -> None:
    add_environment(vault, ada, "prod")
    with pytest.raises(InvalidInput):
        change(vault, ada, "prod", **wishes)


def test_a_description_is_sealed(vault: Services, ada: Principal) -> None:
    def create(unit: Any) -> Any:
        return vault.environments.environments.create(unit, ada, "prod", description="canary-6c1f in a description")

    write(vault, create)
    assert vault.environments.environments.get(ada, "prod").description == "canary-6c1f in a description"
    assert b"canary-6c1f" not in stored_bytes(vault)
    change(vault, ada, "prod", description="canary-6c1f again")
    assert vault.environments.environments.get(ada, "prod").description == "canary-6c1f again"
    change(vault, ada, "prod", description="")
    assert vault.environments.environments.get(ada, "prod").description == ""


def stored_bytes(vault: Services) -> bytes:
    return b"".join(
        bytes(column) if isinstance(column, bytes | memoryview) else str(column).encode()
        for row in run_sql(vault, "SELECT * FROM environments")
        for column in row
    )


def test_a_copy_has_the_current_variables_as_its_first_revision(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1", B="2")
    patch(vault, ada, "prod", C={"value": "3", "enabled": False, "type": "secret", "description": "d"})
    row = write(vault, lambda unit: vault.environments.variables.copy(unit, ada, "prod", "copy"))
    assert (
        vault.environments.variables.read(ada, "copy").variables
        == vault.environments.variables.read(ada, "prod").variables
    )
    assert vault.environments.environments.get(ada, row.id).revision == 1
    patch(vault, ada, "copy", A="changed")
    assert values(vault, ada, "prod")["A"] == "1"
    with pytest.raises(NameTaken):
        write(vault, lambda unit: vault.environments.variables.copy(unit, ada, "prod", "copy"))


def test_nothing_is_copied_of_a_deleted_revision(vault: Services, ada: Principal, clock: FakeClock) -> None:
    add_environment(vault, ada, "prod")
    change(vault, ada, "prod", delete_version_after_seconds=10)
    patch(vault, ada, "prod", A="1")
    clock.advance(10)
    with pytest.raises(RevisionDeleted):
        write(vault, lambda unit: vault.environments.variables.copy(unit, ada, "prod", "copy"))
    assert names(vault, ada) == ["prod"]


def test_what_is_deleted_is_gone_and_comes_back_by_id_or_name(vault: Services, ada: Principal) -> None:
    row = add_environment(vault, ada, "prod", A="1")
    for reference in (row.id, "prod"):
        delete(vault, ada, "prod")
        for gone in (row.id, "prod"):
            with pytest.raises(NotFound):
                values(vault, ada, gone)
            with pytest.raises(NotFound):
                patch(vault, ada, gone, A="2")
        assert names(vault, ada) == []
        assert names(vault, ada, deleted=True) == ["prod"]
        assert undelete(vault, ada, reference) == row.id
        assert values(vault, ada, "prod") == {"A": "1"}
    for living in (row.id, "prod"):
        with pytest.raises(NotFound):
            undelete(vault, ada, living)


def test_by_name_the_one_deleted_last_comes_back(vault: Services, ada: Principal, clock: FakeClock) -> None:
    first = add_environment(vault, ada, "prod", A="first")
    delete(vault, ada, "prod")
    clock.advance(1)
    add_environment(vault, ada, "prod", A="second")
    delete(vault, ada, "prod")
    undelete(vault, ada, "prod")
    assert values(vault, ada, "prod") == {"A": "second"}
    with pytest.raises(NameTaken):
        undelete(vault, ada, first.id)
    undelete(vault, ada, first.id, "prod-of-old")
    assert values(vault, ada, "prod-of-old") == {"A": "first"}


def test_environments_are_limited_deleted_ones_too(vault: Services, ada: Principal, bob: Principal) -> None:
    with opened_again(vault, quota_environments=2) as limited:
        add_environment(limited, ada, "a")
        add_environment(limited, ada, "b")
        delete(limited, ada, "b")
        with pytest.raises(QuotaExceeded):
            add_environment(limited, ada, "c")
        add_environment(limited, bob, "c")


def test_bytes_are_limited_and_come_free_again(vault: Services, ada: Principal) -> None:
    with opened_again(vault, quota_bytes=10_000) as limited:
        add_environment(limited, ada, "prod", A="x" * 4000)
        patch(limited, ada, "prod", A="y" * 4000)
        with pytest.raises(QuotaExceeded):
            patch(limited, ada, "prod", A="z" * 4000)
        assert values(limited, ada, "prod") == {"A": "y" * 4000}
        change(limited, ada, "prod", max_versions=1)
        patch(limited, ada, "prod", A="z" * 4000)
    [(claimed, true)] = run_sql(
        vault,
        "SELECT bytes_stored, (SELECT sum(size) FROM revisions r WHERE r.environment_id = e.id) FROM environments e "
        "WHERE name = 'prod'",
    )
    assert claimed == true


def test_each_write_is_a_change_and_its_numbers_never_skip_back(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    patch(vault, ada, "prod", A="2")
    change(vault, ada, "prod", name="new")
    delete(vault, ada, "new")
    found = run_sql(vault, "SELECT seq, kind FROM changes WHERE user_id = :id ORDER BY seq", id=ada.user_id)
    assert [row.kind for row in found] == [
        "environment.create",
        "revision.write",
        "revision.write",
        "environment.change",
        "environment.delete",
    ]
    assert len({row.seq for row in found}) == 5


def test_variables_of_a_new_environment_are_checked(vault: Services, ada: Principal) -> None:
    def create(unit: Any) -> None:
        row = vault.environments.environments.create(unit, ada, "prod")
        vault.environments.variables.fill(unit, ada, row, [Variable("A", "1"), Variable("A", "2")])

    with pytest.raises(InvalidInput):
        write(vault, create)
    assert names(vault, ada) == []
