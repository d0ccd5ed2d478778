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
from vault.model.names import check_visible, mixed_scripts
from vault.model.printable import shown

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


@pytest.mark.parametrize("name", ["A\u2800B", "\u2800", "A\U0001d159"])
def test_a_symbol_that_is_drawn_as_nothing_is_refused_in_a_name(name: str) -> None:
    with pytest.raises(InvalidInput, match="the invisible character U"):
        check_visible(name)
    assert shown(name).isascii()


@pytest.mark.parametrize("space", ["\u00a0", "\u2003", "\u202f", "\u3000"])
def test_another_space_than_the_usual_one_is_refused_in_a_name(space: str) -> None:
    with pytest.raises(InvalidInput, match="looks like a space and is another character"):
        check_visible(f"API{space}KEY")
    assert check_visible("API KEY") == "API KEY"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("\u0410PI_KEY", "Cyrillic (U+0410), Latin (U+0050)"),
        ("pr\u043ed", "Latin (U+0070), Cyrillic (U+043E)"),
        ("\u0392ETA", "Greek (U+0392), Latin (U+0045)"),
        ("\uff21PI", "Fullwidth (U+FF21), Latin (U+0050)"),
        ("\U0001d400B", "Mathematical (U+1D400), Latin (U+0042)"),
        ("\u13a0B", "Cherokee (U+13A0), Latin (U+0042)"),
        ("\u30ab\u1100", "Katakana (U+30AB), Hangul (U+1100)"),
    ],
)
def test_a_name_with_letters_of_two_scripts_is_told(name: str, told: str) -> None:
    (warning,) = mixed_scripts(name)
    assert warning.endswith(f"mixes letters of different scripts, which can look alike: {told}.")


@pytest.mark.parametrize(
    "name",
    ["API_KEY", "caf\u00e9", "\u041a\u041b\u042e\u0427_1", "\u6771\u4eac\u30ab\u306eA", "A\uac00\u6771", "\U0001f511A"],
)
def test_a_name_that_languages_have_is_not_told(name: str) -> None:
    assert mixed_scripts(name) == ()


def test_the_scripts_that_are_told_are_few() -> None:
    (warning,) = mixed_scripts("".join(map(chr, range(0x400, 0x5000))))
    assert len(warning.partition("alike: ")[2]) < 200
