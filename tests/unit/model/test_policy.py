"""`require()`: the one question."""

from __future__ import annotations

import pytest

from vault.errors import NotFound, NotGranted
from vault.model.environment import EnvironmentKind
from vault.model.grant import GLOBALS_TARGET, Grant, Permission, Target
from vault.model.policy import allows, require
from vault.model.principal import Principal, PrincipalKind

PROD = Target(EnvironmentKind.ENVIRONMENT, "prod", "3f0e1c9a-0000-4000-8000-00000000abcd")


def token(*grants: Grant) -> Principal:
    return Principal(PrincipalKind.TOKEN, "id", "user", "ada", grants=grants)


def test_a_session_may_do_everything_with_its_own() -> None:
    session = Principal(PrincipalKind.SESSION, "id", "user", "ada")
    assert all(allows(session, permission, target) for permission in Permission for target in (PROD, GLOBALS_TARGET))


def test_a_token_without_grants_may_do_nothing() -> None:
    assert not any(allows(token(), permission, PROD) for permission in Permission)


def test_permission_and_target_must_stand_in_one_and_the_same_grant() -> None:
    principal = token(Grant(frozenset({Permission.READ}), path="dev"), Grant(frozenset({Permission.LIST}), path="prod"))
    assert not allows(principal, Permission.READ, PROD)
    assert allows(principal, Permission.LIST, PROD)


def test_no_permission_implies_another() -> None:
    for held in Permission:
        principal = token(Grant(frozenset({held}), path="*"))
        assert [asked for asked in Permission if allows(principal, asked, PROD)] == [held]


def test_what_is_not_granted_is_told_as_not_there() -> None:
    with pytest.raises(NotGranted) as caught:
        require(token(), Permission.READ, PROD)
    assert isinstance(caught.value, NotFound)
    assert str(caught.value) == str(NotFound())
