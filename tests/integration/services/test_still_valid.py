"""Calls that were authenticated just before their credential ended: they make and change no credential any more.

Each `prepare` is what the call did before its transaction. The action that it returns is the transaction, which had to
wait.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.factors import App, add_totp
from tests.support.vaults import (
    ADDRESS,
    HOST,
    PASSWORD,
    FakeClock,
    add_person,
    add_token,
    as_session,
    as_token,
    grant,
    log_in,
    run_sql,
    write,
)
from vault.errors import Forbidden, NotAuthenticated, NotFound
from vault.model.principal import Principal, Role
from vault.services import Services
from vault.services.people.visit import Visit
from vault.services.tokens.views import TokenView

NEW_PASSWORD = "velvet anchor sixteen plums"
API = Visit("api", ADDRESS, "test", "request")

Act = Callable[[], object]
Prepare = Callable[[Services, Principal], Act]
End = Callable[[Services, Principal], object]


def making_a_token(vault: Services, who: Principal) -> Act:
    return lambda: add_token(vault, who, grant("read", path="prod"))


def rotating_a_token(vault: Services, who: Principal) -> Act:
    token = add_token(vault, who, grant("read", path="prod"))
    return lambda: write(vault, lambda unit: vault.tokens.tokens.rotate(unit, who, token.id, 0))


def renewing_a_token(vault: Services, who: Principal) -> Act:
    token = add_token(vault, who, grant("read", path="prod"), renewable=True, max_ttl_seconds=86_400)
    return lambda: write(vault, lambda unit: vault.tokens.tokens.renew(unit, who, token.id, None))


def beginning_a_factor(vault: Services, who: Principal) -> Act:
    return lambda: vault.people.factors.begin_totp(who)


def adding_a_factor(vault: Services, who: Principal) -> Act:
    begun = vault.people.factors.begin_totp(who)
    code = App(begun.id, begun.secret).code(vault)
    return lambda: vault.people.factors.confirm_totp(who, begun.id, code)


def changing_the_password(vault: Services, who: Principal) -> Act:
    new = vault.people.accounts.prepare_password(who, PASSWORD, NEW_PASSWORD)
    return lambda: write(vault, lambda unit: vault.people.ending.change_password(unit, who, new, API))


def erasing_oneself(vault: Services, who: Principal) -> Act:
    proof = vault.people.accounts.prove(who, PASSWORD)
    return lambda: write(vault, lambda unit: vault.people.erasure.own(unit, who, proof))


def all_ended(vault: Services, who: Principal) -> None:
    owner = as_session(vault, log_in(vault, who.username).secret)
    write(vault, lambda unit: vault.people.ending.own(unit, owner, end_tokens=True))


def others_ended(vault: Services, who: Principal) -> None:
    owner = as_session(vault, log_in(vault, who.username).secret)
    write(vault, lambda unit: vault.people.ending.others(unit, owner, end_tokens=True))


def one_ended(vault: Services, who: Principal) -> None:
    owner = as_session(vault, log_in(vault, who.username).secret)
    write(vault, lambda unit: vault.people.sessions.revoke(unit, owner, who.id))


def by_operator(vault: Services, who: Principal) -> None:
    write(vault, lambda unit: vault.people.ending.of_person(unit, HOST, who.username, end_tokens=True))


def purged(vault: Services, who: Principal) -> None:
    one_ended(vault, who)
    run_sql(vault, "DELETE FROM sessions WHERE id = :id", id=who.id)


def disabled_and_enabled(vault: Services, who: Principal) -> None:
    accounts = vault.people.accounts
    write(vault, lambda unit: accounts.set_state(unit, HOST, who.username, active=False))
    write(vault, lambda unit: accounts.set_state(unit, HOST, who.username, active=True))


@pytest.mark.parametrize("end", [all_ended, others_ended, one_ended, by_operator, purged, disabled_and_enabled])
def test_a_session_that_has_ended_makes_no_token_that_outlives_it(vault: Services, ada: Principal, end: End) -> None:
    thief = as_session(vault, log_in(vault, "ada").secret)
    act = making_a_token(vault, thief)
    end(vault, thief)
    with pytest.raises(NotAuthenticated):
        act()
    owner = as_session(vault, log_in(vault, "ada").secret)
    assert vault.tokens.tokens.list(owner, None, 10) == []


@pytest.mark.parametrize(
    "prepare",
    [
        rotating_a_token,
        renewing_a_token,
        beginning_a_factor,
        adding_a_factor,
        changing_the_password,
        erasing_oneself,
    ],
)
def test_it_changes_no_credential_and_no_account(vault: Services, ada: Principal, prepare: Prepare) -> None:
    thief = as_session(vault, log_in(vault, "ada").secret)
    act = prepare(vault, thief)
    one_ended(vault, thief)
    with pytest.raises(NotAuthenticated):
        act()
    # Nothing has changed: the password and no second factor are enough.
    assert vault.people.accounts.authenticate("ada", PASSWORD, ADDRESS).id == ada.user_id


def test_it_removes_no_factor(vault: Services, ada: Principal, clock: FakeClock) -> None:
    add_totp(vault, "ada", by=ada)
    with_factor = as_session(vault, log_in(vault, "ada").secret)
    first, *_ = vault.people.factors.list(with_factor).items
    one_ended(vault, ada)
    with pytest.raises(NotAuthenticated):
        vault.people.factors.remove(ada, first.id)
    assert [item.id for item in vault.people.factors.list(with_factor).items] == [first.id]


def test_each_of_them_works_as_long_as_the_session_does(vault: Services, ada: Principal) -> None:
    for prepare in (making_a_token, rotating_a_token, renewing_a_token, beginning_a_factor, adding_a_factor):
        assert prepare(vault, ada)() is not None


Operate = Callable[[Services, Principal], object]

OPERATING: tuple[Operate, ...] = (
    lambda vault, who: write(vault, lambda unit: vault.people.accounts.add(unit, who, "eve", PASSWORD, Role.OPERATOR)),
    lambda vault, who: write(vault, lambda unit: vault.people.accounts.set_role(unit, who, "bob", Role.OPERATOR)),
    lambda vault, who: write(vault, lambda unit: vault.people.accounts.set_state(unit, who, "bob", active=False)),
    lambda vault, who: write(vault, lambda unit: vault.people.accounts.set_password(unit, who, "bob", NEW_PASSWORD)),
    lambda vault, who: write(vault, lambda unit: vault.people.factors.reset(unit, who, "bob")),
    lambda vault, who: write(vault, lambda unit: vault.people.ending.of_person(unit, who, "bob")),
    lambda vault, who: write(vault, lambda unit: vault.people.erasure.person(unit, who, "bob", "bob")),
)


@pytest.mark.parametrize("operate", OPERATING, ids=["add", "role", "state", "password", "reset", "end", "erase"])
@pytest.mark.parametrize("end", ["demoted", "disabled"])
def test_an_operator_of_before_changes_no_account(vault: Services, bob: Principal, operate: Operate, end: str) -> None:
    carol = add_person(vault, "carol", Role.OPERATOR)
    accounts = vault.people.accounts
    if end == "demoted":
        write(vault, lambda unit: accounts.set_role(unit, HOST, "carol", Role.USER))
    else:
        write(vault, lambda unit: accounts.set_state(unit, HOST, "carol", active=False))
    people = [(person.name, person.role, person.state) for person in accounts.list(HOST)]
    with pytest.raises(NotAuthenticated):
        operate(vault, carol)
    assert [(person.name, person.role, person.state) for person in accounts.list(HOST)] == people
    assert accounts.authenticate("bob", PASSWORD, ADDRESS).id == bob.user_id


def creating(vault: Services, who: Principal, _token: TokenView) -> Act:
    return lambda: add_token(vault, who, grant("read", path="prod"))


def logging_in(vault: Services, who: Principal, _token: TokenView) -> Act:
    return lambda: write(vault, lambda unit: vault.tokens.tokens.log_in(unit, who))


def renewing_itself(vault: Services, who: Principal, token: TokenView) -> Act:
    return lambda: write(vault, lambda unit: vault.tokens.tokens.renew(unit, who, token.id, None))


def rotating_itself(vault: Services, who: Principal, token: TokenView) -> Act:
    return lambda: write(vault, lambda unit: vault.tokens.tokens.rotate(unit, who, token.id, 0))


MAKING = (creating, logging_in, renewing_itself, rotating_itself)


def wide_token(vault: Services, ada: Principal) -> TokenView:
    wishes = {"renewable": True, "max_ttl_seconds": 86_400, "may_rotate": True}
    return add_token(vault, ada, grant("read,delegate", path="prod"), **wishes)


@pytest.mark.parametrize("overlap", [0, 3600])
@pytest.mark.parametrize("making", MAKING)
def test_a_secret_that_a_rotation_has_replaced_meanwhile_makes_nothing(
    vault: Services, ada: Principal, making: Callable[[Services, Principal, TokenView], Act], overlap: int
) -> None:
    token = wide_token(vault, ada)
    act = making(vault, as_token(vault, token.secret), token)
    fresh = write(vault, lambda unit: vault.tokens.tokens.rotate(unit, ada, token.id, overlap))
    with pytest.raises(NotAuthenticated):
        act()
    # The new secret is the one that works, and there is nothing below it.
    assert as_token(vault, fresh.secret).id == token.id
    assert [view.id for view in vault.tokens.tokens.list(ada, None, 10)] == [token.id]
    if overlap:
        with pytest.raises(Forbidden, match="replaced by a rotation"):
            add_token(vault, as_token(vault, token.secret), grant("read", path="prod"))


@pytest.mark.parametrize("making", MAKING)
def test_a_token_that_was_revoked_meanwhile_makes_nothing(
    vault: Services, ada: Principal, making: Callable[[Services, Principal, TokenView], Act]
) -> None:
    token = wide_token(vault, ada)
    act = making(vault, as_token(vault, token.secret), token)
    write(vault, lambda unit: vault.tokens.tokens.revoke(unit, ada, token.id))
    with pytest.raises((NotAuthenticated, NotFound)):
        act()
    assert vault.tokens.tokens.list(ada, None, 10) == []


@pytest.mark.parametrize("is_written", [False, True])
@pytest.mark.parametrize("making", MAKING)
def test_a_new_digest_key_is_no_new_secret(
    vault: Services, ada: Principal, making: Callable[[Services, Principal, TokenView], Act], is_written: bool
) -> None:
    token = wide_token(vault, ada)
    vault.keys.secrets.rotate(HOST, vault.clock() + 1)
    who = as_token(vault, token.secret)
    before = run_sql(vault, "SELECT digest FROM tokens WHERE id = :id", id=token.id)[0][0]
    if is_written:
        vault.touches.flush()
        assert run_sql(vault, "SELECT digest FROM tokens WHERE id = :id", id=token.id)[0][0] != before
    assert making(vault, who, token)() is not None
