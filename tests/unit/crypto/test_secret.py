"""`Secret` hides what it holds, and gives it when asked by name."""

from __future__ import annotations

import copy
import pickle

import pytest

from vault.crypto import Secret


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{:>9}".format, "{!r}".format, lambda it: f"{[it]}"])
def test_nothing_shows_it(show: object) -> None:
    assert callable(show)
    assert "canary" not in show(Secret("canary"))
    assert "canary" not in show(Secret(b"canary"))


def test_reveal_gives_it() -> None:
    assert Secret("canary").reveal() == "canary"
    assert Secret(b"canary").reveal() == b"canary"


def test_it_does_not_pickle_or_copy() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret("canary"))
    with pytest.raises(TypeError):
        copy.copy(Secret("canary"))


def test_it_has_no_hash_that_could_be_guessed_at() -> None:
    with pytest.raises(TypeError):
        hash(Secret("canary"))


def test_it_equals_the_same_secret_of_the_same_kind_only() -> None:
    assert Secret("canary") == Secret("canary")
    assert Secret("canary") != Secret("other")
    assert Secret("a") != Secret(b"a")
    assert Secret("canary") != "canary"


def test_it_has_no_dict_to_look_into() -> None:
    assert not hasattr(Secret("canary"), "__dict__")
