"""A follower is judged again: whatever has ended its credential since then refuses it, past every cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.integration.storage.spy import statements
from tests.support.vaults import (
    HOST,
    PASSWORD,
    FakeClock,
    add_environment,
    add_person,
    add_token,
    as_session,
    as_token,
    change_password,
    erase_oneself,
    grant,
    log_in,
    opened_again,
    write,
)
from vault.auth import WEB_METHODS, WEB_STREAM_METHODS, Presented, authenticate
from vault.errors import (
    FactorSetupRequired,
    Forbidden,
    NotAuthenticated,
    PasswordChangeRequired,
    StrongroomError,
    VaultLocked,
)
from vault.model.clock import SECOND_US
from vault.model.credential_headers import SESSION_COOKIE
from vault.model.principal import Principal, Role
from vault.services import Services
from vault.services.keys.locking import lock
from vault.services.people.visit import Visit
from vault.services.sync.judging import Follower
from vault.services.tokens.views import TokenView
from vault.storage import ColumnValue, UnitOfWork
from vault.storage.rows.tokens import texts_of

NEW_PASSWORD = "velvet anchor sixteen plums"


def follow(vault: Services, principal: Principal) -> Follower:
    return vault.sync.judge.admit(principal)


def token_of(vault: Services, who: Principal, **wishes: Any) -> TokenView:
    return add_token(vault, who, grant("list,read", path="prod"), **wishes)


def change_token(vault: Services, token_id: str, **columns: ColumnValue) -> None:
    def change(unit: UnitOfWork) -> None:
        row = unit.tokens.by_id(token_id)
        assert row is not None
        unit.tokens.change(row, **columns)

    write(vault, change)


def revoke(vault: Services, ada: Principal, token: TokenView) -> None:
    write(vault, lambda unit: vault.tokens.tokens.revoke(unit, ada, token.id))


def rotate(vault: Services, ada: Principal, token: TokenView, overlap: int = 0) -> TokenView:
    return write(vault, lambda unit: vault.tokens.tokens.rotate(unit, ada, token.id, overlap))


def move_elsewhere(vault: Services, _ada: Principal, token: TokenView) -> None:
    change_token(vault, token.id, **texts_of(["198.51.100.0/24"], {}))


def disable(vault: Services, _ada: Principal) -> None:
    write(vault, lambda unit: vault.people.accounts.set_state(unit, HOST, "ada", active=False))


def erase(vault: Services, ada: Principal, _token: TokenView) -> None:
    erase_oneself(vault, ada)


def refused(vault: Services, follower: Follower) -> type[StrongroomError] | None:
    try:
        vault.sync.judge.again(follower)
    except StrongroomError as error:
        return type(error)
    return None


def test_a_follower_is_given_its_present_grants(vault: Services, ada: Principal) -> None:
    token = token_of(vault, ada)
    principal = as_token(vault, token.secret)
    assert vault.sync.judge.again(follow(vault, principal)).grants == principal.grants
    session = as_session(vault, log_in(vault, "ada").secret)
    assert vault.sync.judge.again(follow(vault, session)).grants is None


@pytest.mark.parametrize(
    "end",
    [revoke, rotate, move_elsewhere, lambda vault, ada, _token: disable(vault, ada), erase],
    ids=["revoked", "rotated", "other networks", "person disabled", "person erased"],
)
def test_a_token_that_another_worker_has_ended_is_refused(
    vault: Services,
    ada: Principal,
    clock: FakeClock,
    end: Callable[[Services, Principal, TokenView], object],
) -> None:
    token = token_of(vault, ada)
    follower = follow(vault, as_token(vault, token.secret))
    assert refused(vault, follower) is None
    with opened_again(vault, clock) as other:
        end(other, ada, token)
    assert refused(vault, follower) is NotAuthenticated


def test_a_token_that_expires_says_when(vault: Services, ada: Principal, clock: FakeClock) -> None:
    token = token_of(vault, ada, ttl_seconds=60, max_ttl_seconds=3600, renewable=True)
    follower = follow(vault, as_token(vault, token.secret))
    assert follower.until_us == clock.us + 60 * SECOND_US
    clock.advance(59)
    write(vault, lambda unit: vault.tokens.tokens.renew(unit, as_token(vault, token.secret), token.id, None))
    assert refused(vault, follower) is None
    assert follower.until_us == clock.us + 60 * SECOND_US
    clock.advance(60)
    assert refused(vault, follower) is NotAuthenticated


def test_an_old_secret_follows_until_its_grace_ends(vault: Services, ada: Principal, clock: FakeClock) -> None:
    token = token_of(vault, ada)
    before = follow(vault, as_token(vault, token.secret))
    rotated = rotate(vault, ada, token, 600)
    assert vault.sync.judge.again(before).by_replaced_secret
    late, new = follow(vault, as_token(vault, token.secret)), follow(vault, as_token(vault, rotated.secret))
    assert before.until_us == late.until_us == clock.us + 600 * SECOND_US
    assert new.until_us == rotated.expires_us
    assert not vault.sync.judge.again(new).by_replaced_secret
    clock.advance(600)
    assert [refused(vault, each) for each in (before, late, new)] == [NotAuthenticated, NotAuthenticated, None]


def test_a_token_without_an_end_has_none(vault: Services, ada: Principal) -> None:
    follower = follow(vault, as_token(vault, token_of(vault, ada).secret))
    change_token(vault, follower.admitted.id, expires_us=None)
    assert refused(vault, follower) is None
    assert follower.until_us is None


def test_a_second_rotation_ends_the_first_secret_at_once(vault: Services, ada: Principal) -> None:
    token = token_of(vault, ada)
    first = follow(vault, as_token(vault, token.secret))
    for _ in range(2):
        rotate(vault, ada, token, 600)
    assert refused(vault, first) is NotAuthenticated


def test_a_token_with_counted_uses_cannot_follow(vault: Services, ada: Principal) -> None:
    for uses in (1, 5):
        token = token_of(vault, ada, uses=uses)
        with pytest.raises(Forbidden, match="uses are counted"):
            follow(vault, as_token(vault, token.secret))


def test_judging_spends_nothing_and_writes_nothing(vault: Services, ada: Principal, clock: FakeClock) -> None:
    token = follow(vault, as_token(vault, token_of(vault, ada).secret))
    session = follow(vault, as_session(vault, log_in(vault, "ada").secret))
    with statements(vault) as seen:
        for follower in (token, session):
            vault.sync.judge.again(follower)
    assert [statement.split()[0].upper() for statement in seen] == ["SELECT", "SELECT"]


@pytest.mark.parametrize(
    "end",
    [
        lambda vault, ada: write(vault, lambda unit: vault.people.ending.own(unit, ada)),
        lambda vault, ada: change_password(vault, ada, PASSWORD, NEW_PASSWORD),
        disable,
        erase_oneself,
    ],
    ids=["all ended", "password changed", "person disabled", "person erased"],
)
@pytest.mark.parametrize("kind", ["api", "web"])
def test_a_session_that_another_worker_has_ended_is_refused(
    vault: Services, ada: Principal, clock: FakeClock, end: Callable[[Services, Principal], object], kind: str
) -> None:
    follower = follow(vault, as_session(vault, log_in(vault, "ada", kind).secret, kind))
    with opened_again(vault, clock) as other:
        end(other, ada)
    assert refused(vault, follower) is NotAuthenticated


def test_a_replaced_session_is_refused(vault: Services, ada: Principal) -> None:
    old = as_session(vault, log_in(vault, "ada").secret)
    follower = follow(vault, old)

    def replace_it(unit: UnitOfWork) -> None:
        user = unit.users.by_name("ada")
        assert user is not None
        vault.people.sessions.replace(unit, old, user, Visit("api", "192.0.2.10", "test", "request"))

    write(vault, replace_it)
    assert refused(vault, follower) is NotAuthenticated


def test_a_follower_of_the_api_uses_its_session_and_a_page_does_not(vault: Services, ada: Principal) -> None:
    clock = vault.clock
    assert isinstance(clock, FakeClock)
    api, web = (follow(vault, as_session(vault, log_in(vault, "ada", kind).secret, kind)) for kind in ("api", "web"))
    states = []
    for _ in range(2):
        clock.advance(vault.settings.session_idle_seconds * 0.6)
        states.append([refused(vault, each) for each in (api, web)])
        vault.touches.flush()
    assert states == [[None, None], [None, NotAuthenticated]]


def test_a_use_is_stored_once_a_minute_at_most(vault: Services, ada: Principal, clock: FakeClock) -> None:
    session = log_in(vault, "ada")
    follower = follow(vault, as_session(vault, session.secret))

    def version() -> int:
        with vault.storage.read() as unit:
            row = unit.sessions.by_id(session.session.id)
        assert row is not None
        return row.row_version

    before = version()
    for _ in range(12):
        clock.advance(10)
        assert refused(vault, follower) is None
        vault.touches.flush()
    assert version() == before + 2


def test_use_does_not_put_off_the_absolute_end(vault: Services, ada: Principal, clock: FakeClock) -> None:
    begun = log_in(vault, "ada").secret
    follower = follow(vault, as_session(vault, begun))
    end = clock.us + vault.settings.session_absolute_seconds * SECOND_US
    while clock.us < end:
        assert refused(vault, follower) is None
        vault.touches.flush()
        assert follower.until_us is not None
        assert follower.until_us <= end
        clock.advance(vault.settings.session_idle_seconds / 2)
    assert refused(vault, follower) is NotAuthenticated


def test_a_page_that_connects_again_is_no_use_of_its_session(vault: Services, ada: Principal, clock: FakeClock) -> None:
    secret = log_in(vault, "ada", "web").secret
    presented = Presented({}, {SESSION_COOKIE: secret}, "192.0.2.10", "request", "GET")
    used: dict[bool, bool] = {}
    for is_stream, methods in ((True, WEB_STREAM_METHODS), (False, WEB_METHODS)):
        clock.advance(120)
        assert authenticate(vault, presented, methods).username == "ada"
        vault.touches.flush()
        with vault.storage.read() as unit:
            row = unit.sessions.by_id(as_session(vault, secret, "web").id)
        assert row is not None
        used[is_stream] = row.seen_us == clock.us
    assert used == {True: False, False: True}


def test_a_session_is_read_past_the_cache(vault: Services, ada: Principal, redis_url: str, clock: FakeClock) -> None:
    with opened_again(vault, clock, redis_url=redis_url) as one, opened_again(vault, clock) as other:
        secret = log_in(one, "ada").secret
        as_session(one, secret)
        follower = follow(one, as_session(one, secret))
        # This worker knows no Redis, so the copy there stays.
        write(other, lambda unit: other.people.ending.own(unit, ada))
        assert as_session(one, secret).username == "ada"
        assert refused(one, follower) is NotAuthenticated
        with pytest.raises(NotAuthenticated):
            follow(one, as_session(one, secret))


@pytest.mark.parametrize(
    ("role", "changes", "error"),
    [
        (Role.USER, {"require_second_factor": "all"}, FactorSetupRequired),
        (Role.OPERATOR, {"require_second_factor": "operators"}, FactorSetupRequired),
        (Role.OPERATOR, {}, PasswordChangeRequired),
    ],
)
def test_a_person_with_a_duty_is_refused(
    vault: Services, clock: FakeClock, role: Role, changes: dict[str, str], error: type[StrongroomError]
) -> None:
    vault.keys.upgrading.open(HOST)
    add_person(vault, "eve", role)
    secret = log_in(vault, "eve").secret
    follower = follow(vault, as_session(vault, secret))
    if error is PasswordChangeRequired:

        def demand(unit: UnitOfWork) -> None:
            user = unit.users.by_name("eve")
            assert user is not None
            unit.users.change(user, must_change_password=True)

        write(vault, demand)
    with opened_again(vault, clock, **changes) as other:
        assert refused(other, follower) is error
        with pytest.raises(error):
            follow(other, as_session(other, secret))


def test_a_locked_vault_refuses_everybody(vault: Services, ada: Principal) -> None:
    follower = follow(vault, as_token(vault, token_of(vault, ada).secret))
    lock(vault.storage, HOST)
    with opened_again(vault, vault.clock) as on_the_host:
        # Its keys are loaded, as the operator on the host needs them.
        assert on_the_host.storage.signer is not None
        assert refused(on_the_host, follower) is VaultLocked
    with vault.storage.read() as unit:
        assert vault.instance.heed_lock(unit)
    assert refused(vault, follower) is VaultLocked


def test_the_vault_itself_and_the_host_do_not_follow(vault: Services) -> None:
    with pytest.raises(Forbidden):
        follow(vault, HOST)


def test_a_follower_keeps_no_secret(vault: Services, ada: Principal) -> None:
    token, session = token_of(vault, ada), log_in(vault, "ada")
    assert token.secret is not None
    kept = [follow(vault, as_token(vault, token.secret)), follow(vault, as_session(vault, session.secret))]
    for follower, secret in zip(kept, (token.secret, session.secret), strict=True):
        everything = [getattr(follower.admitted, name) for name in Principal.__slots__]
        assert secret.rsplit("_", 1)[-1] not in repr(everything)
        assert all(len(each) == 32 for each in follower.admitted.presented_digests)
        assert repr(follower.admitted.presented_digests) not in repr(follower)


def test_followers_with_one_key_are_judged_alike(vault: Services, ada: Principal) -> None:
    token = token_of(vault, ada)
    one, same = (follow(vault, as_token(vault, token.secret)) for _ in range(2))
    far = follow(vault, as_token(vault, token.secret, "198.51.100.7"))
    other = follow(vault, as_token(vault, token_of(vault, ada).secret))
    rotate(vault, ada, token, 600)
    old = follow(vault, as_token(vault, token.secret))
    assert one.key == same.key == old.key
    assert len({one.key, far.key, other.key}) == 3


def test_a_forged_digest_does_not_follow(vault: Services, ada: Principal) -> None:
    token, session = as_token(vault, token_of(vault, ada).secret), as_session(vault, log_in(vault, "ada").secret)
    for principal in (token, session):
        for digests in ((), (b"",), (b"\0" * 32,)):
            with pytest.raises(NotAuthenticated):
                follow(vault, replace(principal, presented_digests=digests))


def test_a_token_of_another_environment_is_nothing_to_a_follower(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod")
    follower = follow(vault, as_token(vault, token_of(vault, ada).secret))
    other = token_of(vault, ada)
    revoke(vault, ada, other)
    assert refused(vault, follower) is None
