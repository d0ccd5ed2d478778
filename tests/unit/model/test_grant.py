"""What a grant covers, and when one lies within another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import InvalidInput
from vault.model.environment import EnvironmentKind
from vault.model.grant import GLOBALS_TARGET, Grant, Permission, Target, make_grant

READ = frozenset({Permission.READ})
ID = "3f0e1c9a-0000-4000-8000-00000000abcd"
OTHER_ID = "3f0e1c9a-0000-4000-8000-00000000ffff"


def named(name: str, id: str | None = None) -> Target:
    return Target(EnvironmentKind.ENVIRONMENT, name, id)


@pytest.mark.parametrize(
    ("path", "name", "covered"),
    [
        ("team/a", "team/a", True),
        ("team/a", "team/a/x", True),
        ("team/a", "team/ab", False),
        ("team/a", "team", False),
        ("team", "Team", False),
        ("*", "anything/at/all", True),
        ("a/*", "a/b", False),
    ],
)
def test_a_path_covers_by_whole_segments(path: str, name: str, covered: bool) -> None:
    assert Grant(READ, path=path).covers(named(name, ID)) is covered


def test_a_star_never_covers_the_globals() -> None:
    assert not Grant(READ, path="*").covers(GLOBALS_TARGET)
    assert not Grant(READ, path="globals").covers(GLOBALS_TARGET)
    assert Grant(READ, globals=True).covers(GLOBALS_TARGET)
    assert not Grant(READ, globals=True).covers(named("globals"))


def test_an_id_covers_that_environment_under_any_name_and_no_other() -> None:
    grant = Grant(READ, environment_id=ID)
    assert grant.covers(named("a", ID))
    assert grant.covers(named("renamed", ID))
    assert not grant.covers(named("a", OTHER_ID))
    assert not grant.covers(named("a"))


def test_a_grant_names_exactly_one_thing() -> None:
    for scope in ({}, {"environment_id": ID, "path": "a"}, {"path": "a", "globals": True}):
        with pytest.raises(InvalidInput):
            make_grant(READ, **scope)


@pytest.mark.parametrize("path", ["", "a//b", "../a", "a/", ID])
def test_no_grant_is_given_on_what_is_no_name(path: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        make_grant(READ, path=path, where="grants.2")
    assert caught.value.path == "grants.2.path"


def test_a_grant_has_permissions_and_a_whole_id() -> None:
    with pytest.raises(InvalidInput):
        make_grant(frozenset(), path="a")
    with pytest.raises(InvalidInput):
        make_grant(READ, environment_id="prod")
    assert make_grant(READ, environment_id=ID.upper()).environment_id == ID


SEGMENT = st.sampled_from(["a", "b", "ab"])
NAMES = st.lists(SEGMENT, min_size=1, max_size=3).map("/".join)
PERMISSIONS = st.frozensets(st.sampled_from(list(Permission)), min_size=1)
SCOPES = st.one_of(
    st.sampled_from([ID, OTHER_ID]).map(lambda id: {"environment_id": id}),
    st.one_of(NAMES, st.just("*")).map(lambda path: {"path": path}),
    st.just({"globals": True}),
)
GRANTS = st.builds(lambda permissions, scope: make_grant(permissions, **scope), PERMISSIONS, SCOPES)
TARGETS = st.one_of(
    st.just(GLOBALS_TARGET), st.builds(named, NAMES, st.sampled_from([ID, OTHER_ID])), st.builds(named, NAMES)
)


@given(GRANTS, GRANTS, TARGETS, st.sampled_from(list(Permission)))
def test_what_lies_within_allows_nothing_more(inner: Grant, outer: Grant, target: Target, asked: Permission) -> None:
    if inner.is_within(outer) and inner.covers(target) and asked in inner.permissions:
        assert outer.covers(target)
        assert asked in outer.permissions


@given(GRANTS)
def test_every_grant_lies_within_itself(grant: Grant) -> None:
    assert grant.is_within(grant)
