"""Ended sessions and changed passwords: which tokens the sessions have made, and that these end if it is wished."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support.vaults import (
    ADDRESS,
    HOST,
    PASSWORD,
    FakeClock,
    add_token,
    as_session,
    as_token,
    grant,
    log_in,
    run_sql,
    write,
)
from vault.errors import Forbidden, NotAuthenticated, NotFound
from vault.jobs import purge
from vault.model.principal import Principal, Role
from vault.services import Services
from vault.services.people.ending import Changed, Ended
from vault.services.people.visit import Visit
from vault.services.tokens.views import TokenView
from vault.storage import UnitOfWork

NEW_PASSWORD = "velvet anchor sixteen plums"
API = Visit("api", ADDRESS, "test", "request")
DAY = 86_400

End = Callable[[Services, Principal, bool], Ended | Changed]


def own(vault: Services, who: Principal, end_tokens: bool) -> Ended:
    return write(vault, lambda unit: vault.people.ending.own(unit, who, end_tokens=end_tokens))


def others(vault: Services, who: Principal, end_tokens: bool) -> Ended:
    return write(vault, lambda unit: vault.people.ending.others(unit, who, end_tokens=end_tokens))


def by_operator(vault: Services, who: Principal, end_tokens: bool) -> Ended:
    ending = vault.people.ending
    return write(vault, lambda unit: ending.of_person(unit, HOST, who.username, end_tokens=end_tokens))


def by_password(vault: Services, who: Principal, end_tokens: bool) -> Changed:
    proof = vault.people.accounts.prepare_password(who, PASSWORD, NEW_PASSWORD)
    ending = vault.people.ending
    return write(vault, lambda unit: ending.change_password(unit, who, proof, API, end_tokens=end_tokens))


ENDINGS: tuple[End, ...] = (own, others, by_operator, by_password)


def another(vault: Services, name: str = "ada") -> Principal:
    return as_session(vault, log_in(vault, name).secret)


def works(vault: Services, token: TokenView) -> bool:
    try:
        as_token(vault, token.secret)
    except NotAuthenticated:
        return False
    return True


@pytest.mark.parametrize("end", ENDINGS)
def test_the_tokens_of_the_sessions_are_returned_and_keep_working(
    vault: Services, ada: Principal, bob: Principal, end: End
) -> None:
    thief = another(vault)
    made = add_token(vault, thief, grant("read,delegate", path="*"), name="backup")
    below = add_token(vault, as_token(vault, made.secret), grant("read", path="*"))
    of_bob = add_token(vault, bob, grant("read", path="*"))
    ended = end(vault, another(vault), False)
    # The token below is no session's own. It ends with the one above.
    told = [(token.id, token.name, token.session_id) for token in ended.tokens]
    assert (told, ended.tokens_ended) == ([(made.id, "backup", thief.id)], False)
    assert [works(vault, token) for token in (made, below, of_bob)] == [True, True, True]


@pytest.mark.parametrize("end", ENDINGS)
def test_they_end_with_all_below_them_if_it_is_wished(
    vault: Services, ada: Principal, bob: Principal, end: End
) -> None:
    made = [add_token(vault, another(vault), grant("read,delegate", path="*")) for _ in range(2)]
    below = add_token(vault, as_token(vault, made[0].secret), grant("read", path="*"))
    of_bob = add_token(vault, bob, grant("read", path="*"))
    ended = end(vault, another(vault), True)
    assert ({token.id for token in ended.tokens}, ended.tokens_ended) == ({token.id for token in made}, True)
    assert [works(vault, token) for token in (*made, below, of_bob)] == [False, False, False, True]
    events = run_sql(vault, "SELECT user_id FROM audit_events WHERE action = 'token.revoke'")
    assert [row[0] for row in events] == [ada.user_id] * 2


def logged_out(vault: Services, who: Principal) -> None:
    write(vault, lambda unit: vault.people.sessions.revoke(unit, who, who.id))


def stepped_up(vault: Services, who: Principal) -> None:
    vault.people.logins.step_up(who, PASSWORD, API)


def left(vault: Services, who: Principal) -> None:
    """Leave the session as it is."""


@pytest.mark.parametrize("before", [logged_out, stepped_up, left])
@pytest.mark.parametrize("end", ENDINGS)
def test_a_session_that_has_ended_itself_hides_no_token(
    vault: Services, ada: Principal, clock: FakeClock, end: End, before: Callable[[Services, Principal], None]
) -> None:
    thief = another(vault)
    made = add_token(vault, thief, grant("read", path="*"))
    clock.advance(10)
    before(vault, thief)
    clock.advance(3600)
    mine = another(vault)
    assert [token.id for token in end(vault, mine, True).tokens] == [made.id]
    assert not works(vault, made)


def test_tokens_that_are_over_and_those_of_sessions_long_gone_are_left_out(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    old = add_token(vault, another(vault), grant("read", path="*"))
    clock.advance(2 * DAY)
    purge.purge(vault)
    expired = add_token(vault, another(vault), grant("read", path="*"), ttl_seconds=60)
    revoked, used = (add_token(vault, another(vault), grant("read", path="*"), uses=1) for _ in range(2))
    write(vault, lambda unit: vault.tokens.tokens.revoke(unit, ada, revoked.id))
    as_token(vault, used.secret)
    clock.advance(120)
    mine = another(vault)
    assert vault.people.ending.made(mine) == ()
    assert own(vault, mine, True).tokens == ()
    assert works(vault, old)
    assert not works(vault, expired)


def test_a_person_ends_some_of_them_and_no_others(vault: Services, ada: Principal, bob: Principal) -> None:
    kept, gone = (add_token(vault, ada, grant("read,delegate", path="*")) for _ in range(2))
    below = add_token(vault, as_token(vault, kept.secret), grant("read", path="*"))
    of_bob = add_token(vault, bob, grant("read", path="*"))
    chosen = {gone.id, below.id, of_bob.id, "nothing"}
    write(vault, lambda unit: vault.people.ending.end_made(unit, ada, chosen))
    assert [works(vault, token) for token in (kept, gone, below, of_bob)] == [True, False, True, True]
    assert [token.id for token in vault.people.ending.made(ada)] == [kept.id]


def test_a_token_and_an_ordinary_person_end_nothing_of_others(vault: Services, ada: Principal, bob: Principal) -> None:
    token = as_token(vault, add_token(vault, ada, grant("read,delegate", path="*")).secret)
    ending = vault.people.ending
    calls: tuple[Callable[[UnitOfWork], object], ...] = (
        lambda unit: ending.own(unit, token),
        lambda unit: ending.others(unit, token),
        lambda unit: ending.end_made(unit, token, {token.id}),
        lambda unit: ending.of_person(unit, bob, "ada"),
    )
    for call in calls:
        with pytest.raises(Forbidden):
            write(vault, call)
    with pytest.raises(Forbidden):
        ending.made(token)
    operator = replace(bob, role=Role.OPERATOR)
    with pytest.raises(NotFound):
        write(vault, lambda unit: ending.of_person(unit, operator, "nobody"))


# -- The session that changes the password --


def test_the_secret_that_changed_the_password_works_no_longer(vault: Services, ada: Principal) -> None:
    mine, other = log_in(vault, "ada"), log_in(vault, "ada")
    changed = by_password(vault, as_session(vault, mine.secret), False)
    assert isinstance(changed, Changed)
    assert changed.session is not None
    assert as_session(vault, changed.session.secret).user_id == ada.user_id
    for secret in (mine.secret, other.secret):
        with pytest.raises(NotAuthenticated):
            as_session(vault, secret)


def test_a_replaced_secret_is_known_for_ten_minutes_and_only_as_one(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    mine = log_in(vault, "ada")
    sessions = vault.people.sessions

    def ended(secret: str, kind: str = "api") -> Principal:
        return sessions.authenticate_ended(secret, kind, ADDRESS, "request")

    with pytest.raises(NotAuthenticated):
        ended(mine.secret)
    by_password(vault, as_session(vault, mine.secret), False)
    assert (ended(mine.secret).has_ended, ended(mine.secret).id) == (True, mine.session.id)
    for secret, kind in ((mine.secret, "web"), (mine.secret[:-1] + "x", "api"), ("srm_t_nothing", "api")):
        with pytest.raises(NotAuthenticated):
            ended(secret, kind)
    clock.advance(600)
    assert ended(mine.secret).has_ended
    clock.advance(1)
    with pytest.raises(NotAuthenticated):
        ended(mine.secret)


def test_a_replaced_secret_is_nothing_for_a_disabled_account_and_with_a_second_factor(
    vault: Services, ada: Principal
) -> None:
    mine = log_in(vault, "ada")
    by_password(vault, as_session(vault, mine.secret), False)
    for column, there, back in (("state", "disabled", "active"), ("second_factor", True, False)):
        _change(vault, ada, column, there)
        with pytest.raises(NotAuthenticated):
            vault.people.sessions.authenticate_ended(mine.secret, "api", ADDRESS, "request")
        _change(vault, ada, column, back)
    assert vault.people.sessions.authenticate_ended(mine.secret, "api", ADDRESS, "request").has_ended


def _change(vault: Services, who: Principal, column: str, value: str | bool) -> None:
    def change(unit: UnitOfWork) -> None:
        user = unit.users.by_id(who.user_id)
        assert user is not None
        unit.users.change(user, **{column: value})

    write(vault, change)


@pytest.mark.parametrize("end", ENDINGS)
def test_many_short_logins_hide_no_token(
    vault: Services, ada: Principal, clock: FakeClock, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.services.people.sessions.ENDED_MOST", 3)
    thief, idle = another(vault), another(vault)
    made = add_token(vault, thief, grant("read,delegate", path="*"), ttl_seconds=None)
    revoked = add_token(vault, idle, grant("read", path="*"))
    write(vault, lambda unit: vault.tokens.tokens.revoke(unit, idle, revoked.id))
    logged_out(vault, thief)
    logged_out(vault, idle)
    for _ in range(6):
        clock.advance(1)
        logged_out(vault, another(vault))
    # The oldest ended sessions are deleted, but not the one whose token still works.
    stored = {row[0] for row in run_sql(vault, "SELECT id FROM sessions WHERE revoked_us IS NOT NULL")}
    assert (thief.id in stored, idle.id in stored) == (True, False)
    told = end(vault, another(vault), True)
    assert [token.id for token in told.tokens] == [made.id]
    assert not works(vault, made)
