"""Service tokens: what they may do, how they end, and that no child reaches wider than its parent."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
    patch,
    run_sql,
    values,
    write,
)
from vault.errors import (
    Forbidden,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    NotGranted,
    QuotaExceeded,
)
from vault.model.environment import EnvironmentKind
from vault.model.grant import GLOBALS_TARGET, Permission, Target
from vault.model.policy import allows
from vault.model.principal import Principal, Role
from vault.services import Services
from vault.services.tokens.tokens import LOGINS_MOST
from vault.services.tokens.views import TokenView


def with_token(vault: Services, owner: Principal, *grants: Any, **wishes: Any) -> Principal:
    return as_token(vault, add_token(vault, owner, *grants, **wishes).secret)


def is_living(vault: Services, token: TokenView, address: str = "192.0.2.10") -> bool:
    try:
        as_token(vault, token.secret, address)
    except NotAuthenticated:
        return False
    return True


def rotate(vault: Services, principal: Principal, token_id: str, overlap_seconds: int) -> TokenView:
    return write(vault, lambda unit: vault.tokens.tokens.rotate(unit, principal, token_id, overlap_seconds))


def revoke(vault: Services, principal: Principal, token_id: str) -> None:
    write(vault, lambda unit: vault.tokens.tokens.revoke(unit, principal, token_id))


NEEDED: dict[str, Callable[[Services, Principal], object]] = {
    "list": lambda vault, who: vault.environments.environments.get(who, "prod"),
    "read": lambda vault, who: vault.environments.variables.read(who, "prod"),
    "history": lambda vault, who: vault.environments.history.get(who, "prod", 1),
    "update": lambda vault, who: patch(vault, who, "prod", A="2"),
    "create": lambda vault, who: add_environment(vault, who, "prod/new"),
    "delete": lambda vault, who: write(vault, lambda unit: vault.environments.environments.delete(unit, who, "prod")),
    "delegate": lambda vault, who: add_token(vault, who, grant("delegate", path="prod")),
}


def test_each_verb_needs_its_own_permission_and_no_other(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    for needed, verb in NEEDED.items():
        others = ",".join(permission for permission in Permission if permission != needed)
        # The answer to a token without `delegate` names what it lacks. It says nothing about an environment.
        with pytest.raises(Forbidden if needed == "delegate" else NotGranted):
            verb(vault, with_token(vault, ada, grant(others, path="prod")))
    for needed, verb in reversed(NEEDED.items()):
        # Deleting stands last but for delegating: what it took away is not asked for again.
        if needed != "delete":
            verb(vault, with_token(vault, ada, grant(needed, path="prod")))
    NEEDED["delete"](vault, with_token(vault, ada, grant("delete", path="prod")))


def test_what_was_not_granted_is_not_there_whether_it_exists_or_not(vault: Services, ada: Principal) -> None:
    row = add_environment(vault, ada, "prod", A="1")
    who = with_token(vault, ada, grant("list,read,update,delete,history", path="dev"))
    for reference in ("prod", row.id, "nothing", "3f0e1c9a-0000-4000-8000-00000000abcd"):
        told = set()
        for verb in (vault.environments.environments.get, vault.environments.variables.read, values_of(vault)):
            with pytest.raises(NotGranted) as caught:
                verb(who, reference)
            told.add(str(caught.value))
        assert told == {NotFound.sentence}
    with pytest.raises(NotGranted):
        values(vault, who, None)


def values_of(vault: Services) -> Any:
    return lambda who, reference: values(vault, who, reference)


def test_a_list_shows_what_may_be_listed_and_no_name_beside_it(vault: Services, ada: Principal) -> None:
    for name in ("a", "b", "team/x", "team/y", "teams"):
        add_environment(vault, ada, name)
    who = with_token(vault, ada, grant("list", path="team"), grant("list", environment="a"), grant("read", path="*"))
    assert [found.name for found in vault.environments.environments.list(who, limit=50)] == ["a", "team/x", "team/y"]
    assert [found.name for found in vault.environments.environments.list(who, limit=1, after="a")] == ["team/x"]
    assert vault.environments.environments.list(who, name="b", limit=50) == []


def test_a_grant_by_id_follows_a_rename_and_one_by_path_does_not(vault: Services, ada: Principal) -> None:
    row = add_environment(vault, ada, "old", A="1")
    by_id = with_token(vault, ada, grant("read", environment="old"))
    by_path = with_token(vault, ada, grant("read", path="old"))
    write(vault, lambda unit: vault.environments.environments.change(unit, ada, "old", {"name": "new"}))
    assert values(vault, by_id, "new", globals=False) == {"A": "1"}
    for reference in ("new", row.id, "old"):
        with pytest.raises(NotFound):
            values(vault, by_path, reference)


def test_a_rename_needs_the_right_to_create_at_the_new_place(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "team/a")
    who = with_token(vault, ada, grant("read,update,create,delete,history", path="team"))
    with pytest.raises(NotGranted):
        write(vault, lambda unit: vault.environments.environments.change(unit, who, "team/a", {"name": "other/a"}))
    write(vault, lambda unit: vault.environments.environments.change(unit, who, "team/a", {"name": "team/b"}))


def test_globals_are_a_grant_of_their_own(vault: Services, ada: Principal) -> None:
    patch(vault, ada, None, G="g")
    with pytest.raises(NotGranted):
        values(vault, with_token(vault, ada, grant("read", path="*")), None)
    assert values(vault, with_token(vault, ada, grant("read", globals=True)), None) == {"G": "g"}


def test_nobody_makes_a_token_for_anothers_environment(vault: Services, ada: Principal, bob: Principal) -> None:
    row = add_environment(vault, ada, "prod", A="1")
    for scope in ({"environment": row.id}, {"environment_id": row.id}, {"environment": "prod"}):
        with pytest.raises(NotFound):
            add_token(vault, bob, grant("read", **scope))
    who = with_token(vault, bob, grant("read,list,delegate", path="*"))
    with pytest.raises(NotFound):
        add_token(vault, who, grant("read", environment_id=row.id))


def test_a_token_ends_with_its_time(vault: Services, ada: Principal, clock: FakeClock) -> None:
    token = add_token(vault, ada, grant("read", path="*"), ttl_seconds=60)
    capped = add_token(vault, ada, grant("read", path="*"), ttl_seconds=600, max_ttl_seconds=60)
    clock.advance(59)
    assert is_living(vault, token)
    assert is_living(vault, capped)
    clock.advance(1)
    assert not is_living(vault, token)
    assert not is_living(vault, capped)


def test_a_token_ends_after_ninety_days_unless_it_shall_not(vault: Services, ada: Principal, clock: FakeClock) -> None:
    forgotten = add_token(vault, ada, grant("read", path="*"))
    endless = add_token(vault, ada, grant("read", path="*"), ttl_seconds=None)
    clock.advance(90 * 86_400)
    assert not is_living(vault, forgotten)
    assert is_living(vault, endless)


@pytest.mark.parametrize(
    ("networks", "address", "admitted"),
    [
        (["10.0.0.0/8"], "10.1.2.3", True),
        (["10.0.0.0/8"], "11.1.2.3", False),
        (["10.0.0.0/8"], "::ffff:10.1.2.3", True),
        (["10.0.0.0/8"], "::ffff:11.1.2.3", False),
        (["10.0.0.0/8"], "2001:db8::a01:203", False),
        (["2001:db8::/32"], "2001:db8:1::1", True),
        (["192.0.2.1/32", "2001:db8::/32"], "192.0.2.1", True),
        (["10.0.0.0/8"], "", False),
        (["10.0.0.0/8"], "10.1.2.3, 11.1.1.1", False),
        ([], "203.0.113.1", True),
    ],
)
def test_a_token_works_from_its_networks_only(
    vault: Services, ada: Principal, networks: list[str], address: str, admitted: bool
) -> None:
    token = add_token(vault, ada, grant("read", path="*"), networks=networks)
    assert is_living(vault, token, address) is admitted


def test_uses_are_counted_exactly_under_fifty_threads(vault: Services, ada: Principal) -> None:
    token = add_token(vault, ada, grant("read", path="*"), uses=20)
    admitted: list[bool] = []

    def use() -> None:
        admitted.append(is_living(vault, token))

    threads = [threading.Thread(target=use) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (admitted.count(True), admitted.count(False)) == (20, 30)
    assert vault.tokens.tokens.get(ada, token.id).uses_left == 0


def test_a_refused_use_is_not_counted(vault: Services, ada: Principal) -> None:
    token = add_token(vault, ada, grant("read", path="*"), uses=1, networks=["10.0.0.0/8"])
    assert not is_living(vault, token, "192.0.2.1")
    assert is_living(vault, token, "10.0.0.1")
    assert not is_living(vault, token, "10.0.0.1")


def test_last_used_is_noted_by_the_job(vault: Services, ada: Principal, clock: FakeClock) -> None:
    token = add_token(vault, ada, grant("read", path="*"))
    as_token(vault, token.secret)
    assert vault.tokens.tokens.get(ada, token.id).last_used_us is None
    vault.touches.flush()
    first = clock()
    assert vault.tokens.tokens.get(ada, token.id).last_used_us == first
    clock.advance(59)
    as_token(vault, token.secret)
    vault.touches.flush()
    assert vault.tokens.tokens.get(ada, token.id).last_used_us == first


def test_rotation_without_an_overlap_ends_the_old_secret(vault: Services, ada: Principal) -> None:
    old = add_token(vault, ada, grant("read", path="*"))
    new = rotate(vault, ada, old.id, 0)
    assert new.id == old.id
    assert not is_living(vault, old)
    assert is_living(vault, new)


def test_rotation_with_an_overlap_keeps_the_old_secret_that_long(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    old = add_token(vault, ada, grant("read", path="*"))
    new = rotate(vault, ada, old.id, 60)
    clock.advance(59)
    assert is_living(vault, old)
    clock.advance(1)
    assert not is_living(vault, old)
    assert is_living(vault, new)


def test_a_second_rotation_ends_the_first_secret_at_once(vault: Services, ada: Principal) -> None:
    first = add_token(vault, ada, grant("read", path="*"))
    second = rotate(vault, ada, first.id, 600)
    third = rotate(vault, ada, first.id, 600)
    assert [is_living(vault, each) for each in (first, second, third)] == [False, True, True]


def test_a_revoked_token_with_an_overlap_is_dead_with_both_secrets(vault: Services, ada: Principal) -> None:
    old = add_token(vault, ada, grant("read", path="*"))
    new = rotate(vault, ada, old.id, 600)
    revoke(vault, ada, old.id)
    assert not is_living(vault, old)
    assert not is_living(vault, new)


def test_an_overlap_is_bounded(vault: Services, ada: Principal) -> None:
    token = add_token(vault, ada, grant("read", path="*"))
    for seconds in (-1, 86_401):
        with pytest.raises(InvalidInput):
            rotate(vault, ada, token.id, seconds)


def test_revoking_a_parent_revokes_grandchildren_and_nobody_else(vault: Services, ada: Principal) -> None:
    everything = grant("read,delegate", path="*")
    parent = add_token(vault, ada, everything)
    child = add_token(vault, as_token(vault, parent.secret), everything)
    grandchild = add_token(vault, as_token(vault, child.secret), everything)
    sibling = add_token(vault, as_token(vault, parent.secret), everything)
    other = add_token(vault, ada, everything)
    revoke(vault, ada, child.id)
    assert [is_living(vault, each) for each in (parent, child, grandchild, sibling, other)] == [
        True,
        False,
        False,
        True,
        True,
    ]
    revoke(vault, ada, parent.id)
    assert [is_living(vault, each) for each in (parent, sibling, other)] == [False, False, True]


def test_a_login_that_ends_for_a_newer_one_takes_what_it_made_with_it(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    """Or it would outlive the role's own revocation, which walks down through living tokens alone."""
    everything = grant("read,delegate", path="*")
    role = add_token(vault, ada, everything)

    def log_in() -> TokenView:
        return write(vault, lambda unit: vault.tokens.tokens.log_in(unit, as_token(vault, role.secret)))

    first = log_in()
    child = add_token(vault, as_token(vault, first.secret), everything)
    grandchild = add_token(vault, as_token(vault, child.secret), everything)
    assert is_living(vault, grandchild)
    for _ in range(LOGINS_MOST):
        clock.advance(1)
        log_in()
    assert [is_living(vault, each) for each in (role, first, child, grandchild)] == [True, False, False, False]


def test_a_child_lives_no_longer_than_its_parent(vault: Services, ada: Principal, clock: FakeClock) -> None:
    parent = add_token(vault, ada, grant("read,delegate", path="*"), ttl_seconds=60)
    who = as_token(vault, parent.secret)
    clock.advance(10.5)
    for wish in (None, 3600, 86_400_000):
        child = add_token(vault, who, grant("read", path="*"), ttl_seconds=wish)
        assert child.expires_us is not None
        assert parent.expires_us is not None
        assert child.expires_us <= parent.expires_us
    short = add_token(vault, who, grant("read", path="*"), ttl_seconds=5)
    assert short.expires_us == clock() + 5_000_000
    clock.advance(49)
    with pytest.raises(NotAuthenticated):
        add_token(vault, who, grant("read", path="*"))


def test_a_child_is_used_only_where_its_parent_is(vault: Services, ada: Principal) -> None:
    parent = add_token(vault, ada, grant("read,delegate", path="*"), networks=["10.0.0.0/8", "2001:db8::/32"])
    who = as_token(vault, parent.secret, "10.0.0.1")
    for networks in (["0.0.0.0/0"], ["10.0.0.0/7"], ["10.0.0.0/9", "192.0.2.0/24"], ["::/0"]):
        with pytest.raises(InvalidInput):
            add_token(vault, who, grant("read", path="*"), networks=networks)
    inherited = add_token(vault, who, grant("read", path="*"))
    assert not is_living(vault, inherited, "192.0.2.10")
    narrower = add_token(vault, who, grant("read", path="*"), networks=["10.1.0.0/16"])
    assert is_living(vault, narrower, "10.1.0.1")
    assert not is_living(vault, narrower, "10.2.0.1")


def test_a_child_of_an_endless_parent_keeps_to_its_networks(vault: Services, ada: Principal) -> None:
    wishes = {"ttl_seconds": None, "networks": ["10.0.0.0/8"]}
    parent = add_token(vault, ada, grant("read,delegate", path="*"), **wishes)
    child = add_token(vault, as_token(vault, parent.secret, "10.0.0.1"), grant("read", path="*"), ttl_seconds=None)
    assert not is_living(vault, child, "192.0.2.10")


def test_a_token_whose_uses_are_counted_makes_no_others(vault: Services, ada: Principal) -> None:
    who = with_token(vault, ada, grant("read,delegate", path="*"), uses=5)
    with pytest.raises(InvalidInput):
        add_token(vault, who, grant("read", path="*"))


def test_a_revoked_parent_makes_no_child_any_more(vault: Services, ada: Principal) -> None:
    parent = add_token(vault, ada, grant("read,delegate", path="*"))
    who = as_token(vault, parent.secret)
    revoke(vault, ada, parent.id)
    with pytest.raises((NotAuthenticated, NotFound)):
        add_token(vault, who, grant("read", path="*"))


def test_a_token_sees_itself_and_its_children_a_page_at_a_time(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    parent = add_token(vault, ada, grant("read,delegate", path="*"))
    stranger = add_token(vault, ada, grant("read", path="*"))
    who = as_token(vault, parent.secret)
    children = []
    for _ in range(3):
        clock.advance(1)
        children.append(add_token(vault, who, grant("read", path="*")))
    clock.advance(1)
    last = with_token(vault, who, grant("read,delegate", path="*"))
    add_token(vault, last, grant("read", path="*"))
    first = vault.tokens.tokens.list(who, None, 3)
    assert [view.id for view in first] == [parent.id, children[0].id, children[1].id]
    rest = vault.tokens.tokens.list(who, (first[-1].created_us, first[-1].id), 3)
    assert [view.id for view in rest] == [children[2].id, last.id]
    for call in (
        vault.tokens.tokens.get,
        lambda who, id: revoke(vault, who, id),
        lambda who, id: rotate(vault, who, id, 0),
    ):
        with pytest.raises(NotFound):
            call(who, stranger.id)


def test_nobody_sees_or_ends_anothers_token(vault: Services, ada: Principal, bob: Principal) -> None:
    token = add_token(vault, ada, grant("read", path="*"))
    for call in (
        vault.tokens.tokens.get,
        lambda who, id: revoke(vault, who, id),
        lambda who, id: rotate(vault, who, id, 0),
    ):
        with pytest.raises(NotFound):
            call(bob, token.id)
    assert vault.tokens.tokens.list(bob, None, 50) == []
    assert is_living(vault, token)


def test_tokens_are_limited(vault: Services, ada: Principal) -> None:
    with opened_again(vault, quota_tokens=2) as limited:
        made = [add_token(limited, ada, grant("read", path="*")) for _ in range(2)]
        with pytest.raises(QuotaExceeded):
            add_token(limited, ada, grant("read", path="*"))
        revoke(limited, ada, made[0].id)
        add_token(limited, ada, grant("read", path="*"))


def test_a_token_has_grants_but_not_too_many(vault: Services, ada: Principal) -> None:
    for count in (0, 65):
        with pytest.raises(InvalidInput):
            add_token(vault, ada, *[grant("read", path="a")] * count)


def test_too_many_grants_are_refused_before_any_is_looked_up(vault: Services, ada: Principal) -> None:
    """Each costs a statement, and every other writer waits: 20,000 held them back for seven seconds."""
    unknown = grant("read", environment="none of hers")
    with pytest.raises(InvalidInput):
        add_token(vault, ada, *[unknown] * 65)


def test_a_token_is_no_operator_although_its_owner_is(vault: Services, ada: Principal) -> None:
    write(vault, lambda unit: vault.people.accounts.set_role(unit, HOST, "ada", Role.OPERATOR))
    ada = as_session(vault, log_in(vault, "ada").secret)
    with pytest.raises(Forbidden):
        vault.people.accounts.list(with_token(vault, ada, grant("read", path="*")))


def test_the_secret_is_stored_nowhere_and_in_no_repr(vault: Services, ada: Principal) -> None:
    token = add_token(vault, ada, grant("read", path="*"))
    assert token.secret is not None
    assert token.secret[18:] not in str(run_sql(vault, "SELECT * FROM tokens")) + repr(token)


SEGMENT = st.sampled_from(["a", "b"])
PATHS = st.one_of(st.just("*"), st.lists(SEGMENT, min_size=1, max_size=2).map("/".join))
PERMISSIONS = st.sets(st.sampled_from(list(Permission)), min_size=1)
SCOPES = st.one_of(PATHS.map(lambda path: {"path": path}), st.just({"globals": True}), st.just({"environment": "a"}))
GRANTS = st.lists(
    st.builds(lambda permissions, scope: grant(",".join(sorted(permissions)), **scope), PERMISSIONS, SCOPES),
    min_size=1,
    max_size=3,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(held=GRANTS, wished=GRANTS)
def test_a_child_never_reaches_wider_than_its_parent(vault: Services, ada: Principal, held: Any, wished: Any) -> None:
    found = vault.environments.environments.list(ada, name="a", limit=1)
    id = found[0].id if found else add_environment(vault, ada, "a").id
    parent = with_token(vault, ada, *held)
    try:
        child = with_token(vault, parent, *wished)
    except (NotFound, Forbidden):
        return
    targets = [GLOBALS_TARGET, Target(EnvironmentKind.ENVIRONMENT, "a", id), Target(EnvironmentKind.ENVIRONMENT, "a")]
    targets += [Target(EnvironmentKind.ENVIRONMENT, name, "x") for name in ("a", "b", "a/a", "a/b/a", "ab", "zz")]
    for target in targets:
        for permission in Permission:
            assert not allows(child, permission, target) or allows(parent, permission, target)
