"""Logins, counted by their outcome, at whichever door."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vault.errors import NotAuthenticated, SecondFactorRequired, StrongroomError, TooManyRequests
from vault.observe import metrics

_OUTCOMES: tuple[tuple[type[StrongroomError], str], ...] = (
    (SecondFactorRequired, "second_factor"),
    (NotAuthenticated, "refused"),
    (TooManyRequests, "throttled"),
)
"""The first line that fits decides."""


@contextmanager
def counted() -> Iterator[None]:
    """Count the login that the block is, by how it ends."""
    outcome = "failed"
    try:
        yield
        outcome = "ok"
    except StrongroomError as error:
        outcome = next((name for kind, name in _OUTCOMES if isinstance(error, kind)), outcome)
        raise
    finally:
        metrics().logins.labels(outcome=outcome).inc()
