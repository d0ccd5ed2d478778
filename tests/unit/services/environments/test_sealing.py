"""A revision's plaintext: what goes in comes out, in order, within its bounds."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import InvalidInput, NewerFormat, TooLarge
from vault.model.environment import ENVIRONMENT_MAX_BYTES, Variable, VariableType
from vault.services.environments.sealing import decode, encode

# Whatever UTF-8 can carry.
TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
VALUES: st.SearchStrategy[Any] = st.one_of(TEXT, st.none(), st.booleans(), st.integers(), st.lists(TEXT, max_size=3))
VARIABLES = st.lists(
    st.builds(Variable, TEXT, VALUES, st.sampled_from(VariableType), st.booleans(), st.booleans(), TEXT),
    unique_by=lambda variable: variable.name,
    max_size=5,
)


@given(VARIABLES)
def test_what_is_encoded_is_decoded(variables: list[Variable]) -> None:
    assert decode(encode(variables)) == tuple(variables)


def test_a_name_that_stands_twice_is_refused_where_it_stands() -> None:
    with pytest.raises(InvalidInput) as caught:
        encode([Variable("A", "1"), Variable("B", "2"), Variable("A", "3")])
    assert caught.value.path == "variables.2.name"


def test_bytes_are_counted_and_not_characters() -> None:
    encode([Variable("A", "x" * (ENVIRONMENT_MAX_BYTES - 200))])
    for value in ("x" * ENVIRONMENT_MAX_BYTES, "\u00e9" * (ENVIRONMENT_MAX_BYTES // 2), "\x00" * 180_000):
        with pytest.raises(TooLarge):
            encode([Variable("A", value)])


def test_a_later_releases_plaintext_is_refused() -> None:
    for version in (0, 3, 4, "2"):
        with pytest.raises(NewerFormat):
            decode(f'{{"v":{json.dumps(version)},"variables":[]}}'.encode())


OTHERS = st.dictionaries(st.sampled_from(["expires_at", "rotate_days", "x"]), VALUES, max_size=3)


@given(VARIABLES, OTHERS)
def test_members_that_are_not_known_are_kept_in_version_2(variables: list[Variable], others: dict[str, Any]) -> None:
    given = [replace(variable, others=tuple(others.items())) for variable in variables]
    plaintext = encode(given)
    assert decode(plaintext) == tuple(given)
    assert json.loads(plaintext)["v"] == (2 if variables and others else 1)
    if others:
        assert encode([replace(variable, others=()) for variable in given]) == encode(variables)


def test_version_2_is_as_the_design_has_it() -> None:
    assert encode([Variable("A", "1", others=(("expires_at", 5),)), Variable("B", "2")]) == (
        b'{"v":2,"variables":[{"name":"A","value":"1","type":"default","enabled":true,"literal":false,'
        b'"description":"","expires_at":5},{"name":"B","value":"2","type":"default","enabled":true,"literal":false,'
        b'"description":""}]}'
    )


def test_members_that_are_not_known_count_as_bytes() -> None:
    with pytest.raises(TooLarge):
        encode([Variable("A", "1", others=(("note", "x" * ENVIRONMENT_MAX_BYTES),))])


def test_the_plaintext_is_as_the_design_has_it() -> None:
    assert (
        encode([Variable("A", "\u00e9", VariableType.SECRET)])
        == (
            '{"v":1,"variables":[{"name":"A","value":"\u00e9","type":"secret","enabled":true,"literal":false,'
            '"description":""}]}'
        ).encode()
    )
