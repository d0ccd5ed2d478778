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
from vault.services.people.factors import Challenge


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
    @counted
    def log_in() -> None:
        raise error

    before = count(outcome)
    with pytest.raises(type(error)):
        log_in()
    assert count(outcome) == before + 1


@pytest.mark.parametrize(("made", "outcome"), [("a session", "ok"), (Challenge("id", ("totp",), 0), "second_factor")])
def test_what_a_login_returns_is_counted_as_what_it_is(made: object, outcome: str) -> None:
    @counted
    def log_in() -> object:
        return made

    before = {name: count(name) for name in ("ok", "second_factor")}
    assert log_in() is made
    assert {name: count(name) - before[name] for name in before} == {name: float(name == outcome) for name in before}
