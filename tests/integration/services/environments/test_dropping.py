"""Who can push revisions out of the history, and when."""

from __future__ import annotations

from functools import partial

import pytest

from tests.support.vaults import (
    FakeClock,
    add_environment,
    add_token,
    as_session,
    as_token,
    grant,
    log_in,
    opened_again,
    patch,
    write,
)
from vault.errors import NotGranted, QuotaExceeded
from vault.model.clock import DAY_SECONDS
from vault.model.principal import Principal
from vault.services import Services
from vault.services.environments import dropping
from vault.services.environments.wishes import Wishes
from vault.services.vaultkv.versions import replaced


def numbers(vault: Services, who: Principal) -> list[int]:
    return [revision.number for revision in vault.environments.history.revisions(who, "prod", None, 500)][::-1]


def token(vault: Services, ada: Principal, permissions: str = "update") -> Principal:
    return as_token(vault, add_token(vault, ada, grant(permissions, path="prod")).secret)


def flood(vault: Services, who: Principal, times: int) -> None:
    for number in range(times):
        patch(vault, who, "prod", A=f"{number} at {vault.clock()} by {who.id}")


def kv_write(vault: Services, who: Principal, value: str) -> None:
    edit = partial(replaced, values={"A": value})
    write(vault, lambda unit: vault.vaultkv.versions.write(unit, who, "prod", edit, cas=None))


def rules(vault: Services, who: Principal, wishes: Wishes) -> None:
    write(vault, lambda unit: vault.environments.environments.change(unit, who, "prod", wishes))


def test_update_alone_cannot_push_out_the_owners_revisions(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="mine")
    flood(vault, token(vault, ada), 102)
    assert numbers(vault, ada) == [1, *range(4, 104)]
    found = vault.environments.history.get(ada, "prod", 1).variables
    assert found is not None
    assert found[0].value == "mine"


def test_the_owners_next_write_does_not_finish_what_a_flood_began(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    patch(vault, ada, "prod", A="2")
    rules(vault, ada, {"max_versions": 3})
    flood(vault, token(vault, ada), 5)
    assert numbers(vault, ada) == [1, 2, 5, 6, 7]
    again = as_session(vault, log_in(vault, "ada").secret)
    patch(vault, again, "prod", A="3")
    assert numbers(vault, ada) == [1, 2, 5, 6, 7, 8]
    # Another session is the same person, who has four revisions now.
    patch(vault, again, "prod", A="4")
    assert numbers(vault, ada) == [2, 5, 6, 7, 8, 9]


def test_two_tokens_cannot_push_out_each_other(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod")
    rules(vault, ada, {"max_versions": 2})
    one, other = token(vault, ada), token(vault, ada, "update,read,history,list")
    flood(vault, one, 2)
    flood(vault, other, 4)
    assert numbers(vault, ada) == [1, 2, 5, 6]


def test_a_vault_client_cannot_push_out_the_owners_versions(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="mine")
    rules(vault, ada, {"max_versions": 2})
    writer = token(vault, ada)
    for number in range(4):
        kv_write(vault, writer, str(number))
    assert numbers(vault, ada) == [1, 4, 5]


def test_after_some_days_only_the_last_revision_of_each_other_author_stays(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    add_environment(vault, ada, "prod", A="1")
    patch(vault, ada, "prod", A="2")
    rules(vault, ada, {"max_versions": 2})
    writer = token(vault, ada)
    clock.advance(7 * DAY_SECONDS - 1)
    flood(vault, writer, 3)
    assert numbers(vault, ada) == [1, 2, 4, 5]
    clock.advance(1)
    flood(vault, writer, 1)
    assert numbers(vault, ada) == [2, 5, 6]
    clock.advance(1000 * DAY_SECONDS)
    flood(vault, writer, 1)
    assert numbers(vault, ada) == [2, 6, 7]


def test_the_days_are_a_setting(vault: Services, ada: Principal, clock: FakeClock) -> None:
    add_environment(vault, ada, "prod", A="1")
    patch(vault, ada, "prod", A="2")
    rules(vault, ada, {"max_versions": 2})
    writer = token(vault, ada)
    with opened_again(vault, clock, revision_keep_days=0) as other:
        flood(other, writer, 4)
    assert numbers(vault, ada) == [2, 5, 6]


@pytest.mark.parametrize("wishes", [{"description": "new"}, {"max_versions": 2}, {"max_versions": 900}])
def test_a_change_that_needs_no_delete_deletes_nothing(vault: Services, ada: Principal, wishes: Wishes) -> None:
    add_environment(vault, ada, "prod", A="mine")
    rules(vault, ada, {"max_versions": 2})
    writer = token(vault, ada)
    flood(vault, writer, 3)
    rules(vault, writer, wishes)
    assert numbers(vault, ada) == [1, 3, 4]


def test_a_lower_number_deletes_whoever_wrote_it_and_frees_its_bytes(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="mine")
    rules(vault, ada, {"max_versions": 3})
    writer = token(vault, ada)
    flood(vault, writer, 4)
    assert numbers(vault, ada) == [1, 3, 4, 5]
    with pytest.raises(NotGranted):
        rules(vault, writer, {"max_versions": 2})
    rules(vault, ada, {"max_versions": 2})
    assert numbers(vault, ada) == [4, 5]
    with vault.storage.read() as unit:
        row = unit.environments.by_name(ada.user_id, "prod")
        assert row is not None
        assert row.bytes_stored == sum(each.size for each in unit.revisions.facts(row.id))


def test_what_is_kept_for_others_is_bounded(vault: Services, ada: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dropping, "KEPT_MOST", 3)
    add_environment(vault, ada, "prod", A="mine")
    rules(vault, ada, {"max_versions": 1})
    writers = [token(vault, ada) for _ in range(4)]
    for writer in writers[:-1]:
        patch(vault, writer, "prod", A=writer.id)
    assert numbers(vault, ada) == [1, 2, 3, 4]
    with pytest.raises(QuotaExceeded, match="max_versions"):
        patch(vault, writers[-1], "prod", A="too much")
    assert numbers(vault, ada) == [1, 2, 3, 4]
    # With `delete` the oldest of the tokens goes first, and the person's own goes last.
    patch(vault, token(vault, ada, "update,delete"), "prod", A="room")
    assert numbers(vault, ada) == [1, 3, 4, 5]


def test_a_full_quota_is_emptied_without_the_owners_revisions(vault: Services, ada: Principal) -> None:
    """A lower `max_versions` would delete the owner's, which are the oldest."""
    add_environment(vault, ada, "prod", A="mine")
    limit(vault, 10_000)
    with pytest.raises(QuotaExceeded, match=r"Destroy versions that nobody needs \(`vault kv destroy`\), or lower"):
        flood(vault, ada, 90)
    full = numbers(vault, ada)
    write(vault, lambda unit: vault.vaultkv.versions.destroy(unit, ada, "prod", full[1:-1]))
    patch(vault, ada, "prod", A="again")
    found = vault.environments.history.get(ada, "prod", 1).variables
    assert found is not None
    assert found[0].value == "mine"


def limit(vault: Services, quota_bytes: int) -> None:
    vault.environments.variables._revisions._quota_bytes = quota_bytes


def stored_bytes(vault: Services, who: Principal) -> int:
    with vault.storage.read() as unit:
        return unit.environments.bytes_stored(who.user_id)


@pytest.mark.parametrize("permissions", ["update", "read,update", "read,update,history"])
def test_who_may_not_delete_leaves_room_for_the_owner_in_every_environment(
    vault: Services, ada: Principal, permissions: str
) -> None:
    add_environment(vault, ada, "prod", A="mine")
    add_environment(vault, ada, "other", B="mine")
    limit(vault, 16_000)
    writer = token(vault, ada, permissions)
    with pytest.raises(QuotaExceeded, match="near the size limit, and the rest is for those who may delete"):
        flood(vault, writer, 90)
    assert 12_000 < stored_bytes(vault, ada) <= 14_000
    for number in range(2):
        patch(vault, ada, "prod", A=f"again {number}")
        patch(vault, ada, "other", B=f"again {number}")
    with pytest.raises(QuotaExceeded, match="have reached the size limit"):
        flood(vault, token(vault, ada, "update,delete"), 90)


def test_a_vault_client_without_delete_leaves_room_too(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="mine")
    limit(vault, 16_000)
    writer = token(vault, ada)

    def flood_it() -> None:
        for number in range(90):
            kv_write(vault, writer, str(number))

    with pytest.raises(QuotaExceeded, match="those who may delete"):
        flood_it()
    kv_write(vault, ada, "again")


@pytest.mark.parametrize("size", [1, 3])
def test_a_write_that_frees_as_much_as_it_adds_needs_no_room(vault: Services, ada: Principal, size: int) -> None:
    add_environment(vault, ada, "prod", A="x" * 3000)
    rules(vault, ada, {"max_versions": size})
    for number in range(size - 1):
        patch(vault, ada, "prod", A=f"{number}" * 3000)
    # Nothing more fits.
    limit(vault, stored_bytes(vault, ada))
    for number in range(size + 1):
        patch(vault, ada, "prod", A=f"{number}" * 2999)
    with pytest.raises(QuotaExceeded):
        patch(vault, ada, "prod", A="y" * 9000)
    assert len(numbers(vault, ada)) == size
    assert stored_bytes(vault, ada) <= vault.environments.variables._revisions._quota_bytes


def test_a_smaller_quota_of_today_refuses_no_write_that_shrinks(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="x" * 9000)
    rules(vault, ada, {"max_versions": 1})
    limit(vault, 1000)
    patch(vault, ada, "prod", A="small")
    assert len(numbers(vault, ada)) == 1
    assert stored_bytes(vault, ada) < 1000
