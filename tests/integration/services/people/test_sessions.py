"""Sessions in the database: how they end, who sees them, and what a step-up does."""

from __future__ import annotations

import pytest

from tests.support.vaults import PASSWORD, FakeClock, as_session, log_in, run_sql, write
from vault.errors import MacError, NotAuthenticated, NotFound
from vault.model.principal import Principal, PrincipalKind
from vault.services import Services
from vault.services.people.visit import Visit
from vault.services.touches import STEP_US


def ended(vault: Services, secret: str) -> bool:
    try:
        as_session(vault, secret)
    except NotAuthenticated:
        return True
    return False


def test_a_session_is_its_users_and_carries_what_the_audit_needs(vault: Services, ada: Principal) -> None:
    session = log_in(vault, "ada", address="198.51.100.7")
    principal = vault.people.sessions.authenticate(session.secret, "api", "203.0.113.1", "request-1")
    assert (principal.kind, principal.user_id, principal.username) == (PrincipalKind.SESSION, ada.user_id, "ada")
    assert (principal.address, principal.request_id) == ("203.0.113.1", "request-1")
    assert principal.grants is None


def test_a_session_that_is_not_used_ends_after_half_an_hour(vault: Services, clock: FakeClock) -> None:
    secret = log_in(vault, "ada").secret
    clock.advance(30 * 60)
    assert not ended(vault, secret)
    clock.advance(1)
    assert ended(vault, secret)


def test_a_session_that_is_used_goes_on_until_its_absolute_end(vault: Services, clock: FakeClock) -> None:
    secret = log_in(vault, "ada").secret
    for _ in range(47):
        clock.advance(15 * 60)
        assert not ended(vault, secret)
        vault.touches.flush()
    clock.advance(15 * 60)
    assert ended(vault, secret)


def test_last_seen_is_written_at_most_once_a_minute(vault: Services, clock: FakeClock) -> None:
    session = log_in(vault, "ada")
    read = "SELECT seen_us, row_version FROM sessions WHERE id = :id"
    began = clock()
    for seconds, expected in ((30, (began, 1)), (31, (began + 61_000_000, 2)), (59, (began + 61_000_000, 2))):
        clock.advance(seconds)
        as_session(vault, session.secret)
        vault.touches.flush()
        assert tuple(run_sql(vault, read, id=session.session.id)[0]) == expected
    assert STEP_US == 60_000_000


def test_a_touch_does_not_wake_a_revoked_session(vault: Services, ada: Principal, clock: FakeClock) -> None:
    session = log_in(vault, "ada")
    clock.advance(120)
    as_session(vault, session.secret)
    write(vault, lambda unit: vault.people.sessions.revoke(unit, ada, session.session.id))
    vault.touches.flush()
    assert ended(vault, session.secret)


def test_a_tampered_session_does_not_hold_back_the_touches_of_others(vault: Services, clock: FakeClock) -> None:
    first, second = log_in(vault, "ada"), log_in(vault, "bob")
    clock.advance(120)
    for session in (first, second):
        as_session(vault, session.secret)
    run_sql(vault, "UPDATE sessions SET idle_seconds = 999999 WHERE id = :id", id=first.session.id)
    vault.touches.flush()
    [(seen_us,)] = run_sql(vault, "SELECT seen_us FROM sessions WHERE id = :id", id=second.session.id)
    assert seen_us == clock()
    with pytest.raises(MacError):
        as_session(vault, first.secret)


def test_one_sees_ones_own_living_sessions_the_newest_first(vault: Services, ada: Principal, clock: FakeClock) -> None:
    log_in(vault, "bob")
    clock.advance(60 * 60)
    made = []
    for _ in range(3):
        made.append(log_in(vault, "ada"))
        clock.advance(1)
    write(vault, lambda unit: vault.people.sessions.revoke(unit, ada, made[1].session.id))
    assert [row.id for row in vault.people.sessions.list(ada)] == [made[2].session.id, made[0].session.id]


def test_revoking_one_ends_that_one(vault: Services, ada: Principal) -> None:
    first, second = log_in(vault, "ada"), log_in(vault, "ada")
    write(vault, lambda unit: vault.people.sessions.revoke(unit, ada, first.session.id))
    assert ended(vault, first.secret)
    assert not ended(vault, second.secret)
    with pytest.raises(NotFound):
        write(vault, lambda unit: vault.people.sessions.revoke(unit, ada, first.session.id))


def test_nobody_revokes_anothers(vault: Services, bob: Principal) -> None:
    session = log_in(vault, "ada")
    with pytest.raises(NotFound):
        write(vault, lambda unit: vault.people.sessions.revoke(unit, bob, session.session.id))
    assert not ended(vault, session.secret)


def test_revoking_all_ends_this_one_too_and_nobody_elses(vault: Services) -> None:
    mine, other, bobs = log_in(vault, "ada"), log_in(vault, "ada"), log_in(vault, "bob")
    principal = as_session(vault, mine.secret)
    write(vault, lambda unit: vault.people.ending.own(unit, principal))
    assert ended(vault, mine.secret)
    assert ended(vault, other.secret)
    assert not ended(vault, bobs.secret)


def test_a_step_up_replaces_the_session_and_is_recent(vault: Services, clock: FakeClock) -> None:
    old = log_in(vault, "ada")
    clock.advance(600)
    principal = as_session(vault, old.secret)
    account = vault.people.accounts.authenticate("ada", PASSWORD, "192.0.2.1")
    fresh = write(
        vault, lambda unit: vault.people.sessions.replace(unit, principal, account, Visit("api", "192.0.2.1", "test"))
    )
    assert ended(vault, old.secret)
    assert fresh.session.id != old.session.id
    as_session(vault, fresh.secret).require_recent_proof(clock())


def test_each_kind_of_session_is_refused_at_the_others_door(vault: Services) -> None:
    web, api = log_in(vault, "ada", kind="web"), log_in(vault, "ada", kind="api")
    as_session(vault, web.secret, kind="web")
    for secret, kind in ((web.secret, "api"), (api.secret, "web")):
        with pytest.raises(NotAuthenticated):
            as_session(vault, secret, kind=kind)


def test_a_secret_with_another_secrets_id_is_refused(vault: Services) -> None:
    from vault.crypto import TokenKind, mint

    session = log_in(vault, "ada")
    for forged in (
        mint(TokenKind.SESSION, session.session.id).text,
        mint(TokenKind.SESSION).text,
        "",
        session.secret[:-1],
    ):
        assert ended(vault, forged)


def test_the_secret_is_not_stored(vault: Services) -> None:
    session = log_in(vault, "ada")
    assert session.secret[18:] not in str(run_sql(vault, "SELECT * FROM sessions"))
    assert session.secret not in repr(session)


def test_a_session_inserted_by_sql_is_refused(vault: Services) -> None:
    session = log_in(vault, "ada")
    bobs = "(SELECT id FROM users WHERE name = 'bob')"
    run_sql(vault, f"UPDATE sessions SET user_id = {bobs} WHERE id = :id", id=session.session.id)
    with pytest.raises(MacError):
        as_session(vault, session.secret)
