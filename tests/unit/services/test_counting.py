"""Each way in which a login ends is counted once."""

from __future__ import annotations

import pytest

from vault.errors import (
    BadLogin,
    BadSecondFactor,
    DatabaseUnavailable,
    NotAuthenticated,
    SecondFactorRequired,
    TooManyRequests,
)
from vault.observe import metrics
from vault.services.people.counting import counted


def count(outcome: str) -> float:
    return metrics().registry.get_sample_value("strongroom_logins_total", {"outcome": outcome}) or 0.0


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (BadLogin(), "refused"),
        (BadSecondFactor(), "refused"),
        (NotAuthenticated(), "refused"),
        (SecondFactorRequired(), "second_factor"),
        (TooManyRequests(), "throttled"),
        (DatabaseUnavailable(), "failed"),
        (KeyError(), "failed"),
    ],
)
def test_an_error_is_counted_as_what_it_says_of_the_login(error: Exception, outcome: str) -> None:
    before = count(outcome)
    with pytest.raises(type(error)), counted():
        raise error
    assert count(outcome) == before + 1


def test_a_login_that_returns_is_counted_too() -> None:
    def log_in() -> str:
        with counted():
            return "in"

    before = count("ok")
    assert log_in() == "in"
    assert count("ok") == before + 1
