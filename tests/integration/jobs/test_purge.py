"""Purge takes what is past its time, and only that."""

from __future__ import annotations

import pytest

from tests.support.vaults import (
    HOST,
    FakeClock,
    add_environment,
    add_token,
    as_session,
    as_token,
    grant,
    log_in,
    opened_again,
    run_sql,
    values,
    write,
)
from vault.errors import Forbidden, NotFound
from vault.jobs.purge import purge
from vault.model.principal import Principal
from vault.services import Services
from vault.services.idempotency import Call, KeptAnswer

DAY = 86_400


def delete(vault: Services, who: Principal, reference: str) -> None:
    write(vault, lambda unit: vault.environments.environments.delete(unit, who, reference))


def count(vault: Services, table: str) -> int:
    return len(run_sql(vault, f"SELECT 1 FROM {table}"))


def test_a_deleted_environment_goes_after_thirty_days_with_its_keys(
    vault: Services, ada: Principal, bob: Principal, clock: FakeClock
) -> None:
    row = add_environment(vault, ada, "prod", A="1")
    add_environment(vault, ada, "dev", A="2")
    add_environment(vault, bob, "prod", A="bob's")
    delete(vault, ada, "prod")
    clock.advance(30 * DAY)
    assert purge(vault)["environments"] == 0
    write(vault, lambda unit: vault.environments.environments.undelete(unit, ada, row.id, None))
    assert values(vault, ada, "prod") == {"A": "1"}
    delete(vault, ada, "prod")
    clock.advance(30 * DAY + 1)
    assert purge(vault)["environments"] == 1
    for table in ("environments", "revisions", "data_keys"):
        column = "id" if table == "environments" else "environment_id"
        assert run_sql(vault, f"SELECT 1 FROM {table} WHERE {column} = :id", id=row.id) == []
    with pytest.raises(NotFound):
        write(vault, lambda unit: vault.environments.environments.undelete(unit, ada, row.id, None))
    assert values(vault, ada, "dev") == {"A": "2"}
    assert values(vault, bob, "prod") == {"A": "bob's"}


def test_the_time_is_a_setting(vault: Services, ada: Principal, clock: FakeClock) -> None:
    add_environment(vault, ada, "prod")
    delete(vault, ada, "prod")
    clock.advance(DAY + 1)
    with opened_again(vault, clock, purge_after_days=1) as other:
        assert purge(other)["environments"] == 1


def test_ended_sessions_go_after_a_day_and_living_ones_stay(vault: Services, ada: Principal, clock: FakeClock) -> None:
    clock.advance(13 * 3600)
    revoked, living = log_in(vault, "ada"), log_in(vault, "ada")
    write(vault, lambda unit: vault.people.sessions.revoke(unit, ada, revoked.session.id))
    purge(vault)
    as_session(vault, living.secret)
    assert {revoked.session.id, living.session.id} <= {row[0] for row in run_sql(vault, "SELECT id FROM sessions")}
    clock.advance(DAY + 1)
    fresh = log_in(vault, "ada")
    purge(vault)
    left = {row[0] for row in run_sql(vault, "SELECT id FROM sessions")}
    assert revoked.session.id not in left
    # It ended twelve hours after it began, and that is not a day ago.
    assert {living.session.id, fresh.session.id} <= left
    clock.advance(DAY)
    purge(vault)
    assert living.session.id not in {row[0] for row in run_sql(vault, "SELECT id FROM sessions")}


def test_ended_tokens_go_with_their_children_and_endless_ones_stay(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    parent = add_token(vault, ada, grant("read,delegate", path="*"), ttl_seconds=3600)
    add_token(vault, as_token(vault, parent.secret), grant("read", path="*"))
    endless = add_token(vault, ada, grant("read", path="*"), ttl_seconds=None)
    clock.advance(3600 + DAY)
    assert purge(vault)["tokens"] == 0
    clock.advance(1)
    purge(vault)
    assert [row[0] for row in run_sql(vault, "SELECT id FROM tokens")] == [endless.id]
    assert count(vault, "grants") == 1
    as_token(vault, endless.secret)


def test_kept_answers_counters_changes_and_workers_go_in_their_time(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    add_environment(vault, ada, "prod")

    def keep(unit: object) -> None:
        claim = vault.idempotency.claim(unit, ada, Call("POST", "/x", "key", b""))  # type: ignore[arg-type] # As `write` has it.
        assert not isinstance(claim, KeptAnswer)
        vault.idempotency.keep(unit, ada, claim, KeptAnswer(204, {}, ""))  # type: ignore[arg-type] # As `write` has it.

    write(vault, keep)
    write(vault, lambda unit: vault.people.accounts._throttle.admit(unit, "ada", "192.0.2.1", ada.user_id))
    tables = ("idempotency", "throttle", "changes")
    purge(vault)
    assert all(count(vault, table) for table in tables)
    clock.advance(15 * 60 + 1)
    purge(vault)
    assert [count(vault, table) > 0 for table in tables] == [True, False, True]
    clock.advance(DAY)
    purge(vault)
    assert [count(vault, table) > 0 for table in tables] == [False, False, True]
    clock.advance(90 * DAY)
    purge(vault)
    assert [count(vault, table) > 0 for table in tables] == [False, False, False]


def test_only_an_operator_and_the_vault_itself_purge(vault: Services, ada: Principal, clock: FakeClock) -> None:
    add_environment(vault, ada, "prod", A="1")
    delete(vault, ada, "prod")
    clock.advance(31 * DAY)
    with pytest.raises(Forbidden):
        vault.purging.run(ada)
    assert count(vault, "revisions") == 1
    assert vault.purging.run(HOST)["environments"] == 1


def test_purging_twice_takes_nothing_more(vault: Services, ada: Principal, clock: FakeClock) -> None:
    add_environment(vault, ada, "prod", A="1")
    delete(vault, ada, "prod")
    clock.advance(200 * DAY)
    purge(vault)
    assert set(purge(vault).values()) == {0}
