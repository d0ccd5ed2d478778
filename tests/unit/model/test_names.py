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
