"""Retries: after another writer was faster, and while the database takes no writes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from vault.errors import DatabaseUnavailable, Unavailable
from vault.storage.signing.repository import Stale

TRIES = 8
_WAIT_SECONDS = 0.1

_PATIENT_TRIES = 6
_PATIENT_SECONDS = 1.0

P = ParamSpec("P")
T = TypeVar("T")


def again(action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return the result of `action`. Run it again from its start if it raises `Stale`.

    The second try comes at once, and each later one after a longer random wait, so that two writers do not meet again
    and again. Raises `Unavailable` after the last try.
    """
    for attempt in range(TRIES):
        if attempt > 1:
            time.sleep(_WAIT_SECONDS * attempt * random.uniform(0.5, 1))  # noqa: S311 - spreads writers, guards nothing.
        try:
            return action(*args, **kwargs)
        except Stale:
            continue
    raise Unavailable("Someone else is changing this at the same moment. Please try again.")


def patiently(action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return the result of `action`. Run it again while the database takes no writes, for about five seconds.

    With this, long work survives a short outage, or many writers on SQLite. Raises `DatabaseUnavailable` after the last
    try.
    """
    for _ in range(_PATIENT_TRIES - 1):
        try:
            return action(*args, **kwargs)
        except DatabaseUnavailable:
            time.sleep(_PATIENT_SECONDS)
    return action(*args, **kwargs)
