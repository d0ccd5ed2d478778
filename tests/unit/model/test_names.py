"""What an environment and a variable may be called."""

from __future__ import annotations

import pytest

from vault.errors import InvalidInput
from vault.model.environment import (
    NAME_MAX_CHARACTERS,
    canonical,
    check_environment_name,
    check_variable_name,
    looks_like_id,
)
from vault.model.names import check_visible

UUID = "3f0e1c9a-0000-4000-8000-00000000abcd"


@pytest.mark.parametrize("name", ["prod", "team/a", "a b", "ü", "*", "...", ".a/b.", "a" * NAME_MAX_CHARACTERS])
def test_these_are_names_of_environments(name: str) -> None:
    assert check_environment_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "/", "a/", "/a", "a//b", "a/../b", "../a", "a/.", "./a", UUID])
def test_no_name_of_an_environment_leads_elsewhere(name: str) -> None:
    with pytest.raises(InvalidInput):
        check_environment_name(name)


def test_nothing_that_looks_like_an_id_is_a_name_in_any_case() -> None:
    for shape in (UUID, UUID.upper()):
        with pytest.raises(InvalidInput):
            check_environment_name(shape)
    assert check_variable_name(UUID) == UUID


@pytest.mark.parametrize("bad", ["\x00", "\n", "\t", "\x1b", "\x7f", "\x85", "\ud800"])
def test_no_name_has_a_control_character_or_half_a_pair(bad: str) -> None:
    for check in (check_environment_name, check_variable_name):
        with pytest.raises(InvalidInput):
            check(f"a{bad}b")


@pytest.mark.parametrize("code", ["200B", "202E", "2028", "034F", "115F", "1160", "17B4", "180B", "3164", "FFA0"])
def test_no_new_name_has_what_is_not_seen(code: str) -> None:
    for name in (f"KEY{chr(int(code, 16))}", f"K{chr(int(code, 16))}EY", f"{chr(int(code, 16))}KEY"):
        with pytest.raises(InvalidInput, match=f"must not contain the invisible character U.{code}"):
            check_visible(name)


@pytest.mark.parametrize("name", ["KEY\ufe0f", "KEY_\ufe00", "\ufe0fKEY", "K\U000e0100EY", "prod \ufe0e"])
def test_a_selector_that_selects_nothing_is_not_seen(name: str) -> None:
    with pytest.raises(InvalidInput, match="invisible character"):
        check_visible(name)


@pytest.mark.parametrize("name", ["\u26a0\ufe0f prod", "1\ufe0f\u20e3", "\u845b\U000e0100", "e\u0301", "a b", "\u00fc"])
def test_emoji_and_accents_are_seen(name: str) -> None:
    assert check_visible(name) == name


def test_no_name_is_longer_than_it_may_be() -> None:
    with pytest.raises(InvalidInput):
        check_variable_name("a" * (NAME_MAX_CHARACTERS + 1))


def test_names_are_kept_in_nfc() -> None:
    assert check_variable_name("cafe\u0301") == "caf\u00e9"
    # The length that counts is that of the form which is kept.
    assert check_environment_name("e\u0301" * NAME_MAX_CHARACTERS) == "\u00e9" * NAME_MAX_CHARACTERS


def test_the_complaint_names_the_field() -> None:
    with pytest.raises(InvalidInput) as caught:
        check_variable_name("", path="variables.3.name")
    assert caught.value.path == "variables.3.name"


def test_variable_names_may_be_what_postman_allows() -> None:
    for name in ("a.b", "$x", "{{", "a/b", "..", " "):
        assert check_variable_name(name) == name


def test_a_reference_is_found_in_any_form_of_it() -> None:
    assert canonical(UUID.upper()) == UUID
    assert canonical("Cafe\u0301") == "Caf\u00e9"
    assert looks_like_id(UUID.upper())
    assert not looks_like_id(UUID + "\n")
