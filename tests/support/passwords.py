"""Computes each Argon2 hash once. Argon2 takes most of the time of application tests, and nearly all people in tests
have the same password.

A test that asks for `each_password_is_hashed_once` gets the real result of Argon2 from memory if it was computed
before. The tests of a hash's cost and salt (tests/unit/crypto/test_password.py) do not ask for it, and servers in
separate processes do not have it.

`only_marked_views_hash_passwords` fails every test in which a view without the mark `takes_password` hashes a password:
the front door would run it in the pool of the reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
from argon2 import exceptions, low_level
from flask import current_app, has_request_context, request

from vault.crypto.password import LANES_RANGE, MEMORY_RANGE_KIB, PASSES_RANGE, PasswordParameters
from vault.http.marks import is_password_view

FLOOR = PasswordParameters(memory_kib=MEMORY_RANGE_KIB[0], passes=PASSES_RANGE[0], lanes=LANES_RANGE[0])
"""The cheapest parameters that the vault accepts."""

_hash_secret = low_level.hash_secret
_verify_secret = low_level.verify_secret


@pytest.fixture(autouse=True)
def each_password_is_hashed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remember hashes and checks for the whole run."""
    monkeypatch.setattr(low_level, "hash_secret", _remembered_hash)
    monkeypatch.setattr(low_level, "verify_secret", _remembered_check)


@pytest.fixture(autouse=True)
def only_marked_views_hash_passwords(
    each_password_is_hashed_once: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    """Watch Argon2 during every request."""
    unmarked: set[str] = set()

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **costs: Any) -> Any:
            if has_request_context() and not is_password_view(current_app.view_functions.get(request.endpoint or "")):
                unmarked.add(f"{request.method} {request.url_rule}")
            return function(*args, **costs)

        return run

    for name in ("hash_secret", "verify_secret"):
        monkeypatch.setattr(low_level, name, watched(getattr(low_level, name)))
    yield
    assert not unmarked, f"These views hash a password. Mark them with @takes_password: {sorted(unmarked)}"


def _remembered_hash(secret: bytes, salt: bytes, **costs: Any) -> bytes:
    # The hash contains the salt of its first computation, so it matches its password, whichever salt was requested.
    return _hash_of(secret, tuple(sorted(costs.items())))


@cache
def _hash_of(secret: bytes, costs: tuple[tuple[str, Any], ...]) -> bytes:
    return _hash_secret(secret, b"the same for all", **dict(costs))


def _remembered_check(phc: bytes, secret: bytes, kind: low_level.Type) -> bool:
    if not _fits(phc, secret, kind):
        raise exceptions.VerifyMismatchError("The password does not match.")
    return True


@cache
def _fits(phc: bytes, secret: bytes, kind: low_level.Type) -> bool:
    try:
        return _verify_secret(phc, secret, kind)
    except exceptions.VerifyMismatchError:
        return False
