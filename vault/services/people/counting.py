"""Counts logins by their outcome, for all faces."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from vault.errors import NotAuthenticated, SecondFactorRequired, StrongroomError, TooManyRequests
from vault.observe import metrics
from vault.services.people.factors.challenges import Challenge

_OUTCOMES: tuple[tuple[type[StrongroomError], str], ...] = (
    (SecondFactorRequired, "second_factor"),
    (NotAuthenticated, "refused"),
    (TooManyRequests, "throttled"),
)
"""The first matching line decides."""

P = ParamSpec("P")
T = TypeVar("T")


def counted(login: Callable[P, T]) -> Callable[P, T]:
    """Count how each login that the function makes ends. A challenge is counted as an outcome of its own."""

    @wraps(login)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        outcome = "failed"
        try:
            made = login(*args, **kwargs)
            outcome = "second_factor" if isinstance(made, Challenge) else "ok"
            return made
        except StrongroomError as error:
            outcome = next((name for kind, name in _OUTCOMES if isinstance(error, kind)), outcome)
            raise
        finally:
            metrics().logins.labels(outcome=outcome).inc()

    return wrapper
