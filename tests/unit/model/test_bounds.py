"""Work that a caller could make us do is bounded before it is begun."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest

from vault.errors import InvalidInput
from vault.model import environment
from vault.model.environment import Variable, canonical, check_environment_name, check_variable_name, normal, resolve

# NFC sorts a run of combining characters in time that grows with its square: these would take minutes.
COMBINING = "\u0301\u0316" * 350_000


class _Refusing:
    """In place of `unicodedata`, for the model alone: nothing is to be normalised."""

    @staticmethod
    def normalize(_form: str, text: str) -> str:
        raise AssertionError(f"{len(text)} characters were normalised.")


@pytest.mark.parametrize("check", [normal, canonical, check_environment_name, check_variable_name])
def test_a_name_is_refused_by_its_length_before_it_is_normalised(
    check: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "unicodedata", _Refusing)
    with pytest.raises(InvalidInput):
        check(COMBINING)


def test_the_longest_name_in_its_longest_decomposition_is_taken() -> None:
    decomposed = unicodedata.normalize("NFD", "\u1f82" * 256)
    assert len(decomposed) == 4 * 256
    assert check_variable_name(decomposed) == "\u1f82" * 256


def test_a_warning_is_about_its_variable_and_no_other_that_begins_alike() -> None:
    found = resolve([[Variable("a", "{{X}}"), Variable("a: b", "{{Y}}")]])
    assert found.about({"a"}) == ("In a: the reference {{X}} is unknown.",)
    assert found.about({"a: b"}) == ("In a: b: the reference {{Y}} is unknown.",)
