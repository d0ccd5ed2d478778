"""Forms that happen once: a second click, a reload or the way back sends them again, and changes nothing.

Each such form holds a random name for itself. The answer that is kept under it (for a day, for the same session) is
the id of what was made, never a secret: that was on the first answer, and nowhere else.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from flask import request
from markupsafe import Markup

from vault.http import principal, services
from vault.services.idempotency import Call, KeptAnswer
from vault.storage import UnitOfWork
from vault.web.frame import csrf
from vault.web.frame.request import field

T = TypeVar("T")

FIELD = "once"
_NAME_BYTES = 16


@dataclass(frozen=True, slots=True)
class Before:
    """The form was sent before, and made the thing of this id."""

    id: str


def once_field() -> Markup:
    """A new name for the form of the page that is being made."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, secrets.token_urlsafe(_NAME_BYTES))


def once(unit: UnitOfWork, make: Callable[[UnitOfWork], T], id_of: Callable[[T], str]) -> T | Before:
    """What `make` makes, or `Before` where this very form has made it already.

    Raises `IdempotencyMismatch` for a form that comes again with something else in it.
    """
    idempotency = services().idempotency
    claim = idempotency.claim(unit, principal(), Call("POST", request.path, field(FIELD), _filled_in()))
    if isinstance(claim, KeptAnswer):
        return Before(claim.text)
    made = make(unit)
    idempotency.keep(unit, principal(), claim, KeptAnswer(201, {}, id_of(made)))
    return made


def _filled_in() -> bytes:
    """Every field that decides what the form does."""
    fields = sorted((name, value) for name, value in request.form.items(multi=True) if name != csrf.FIELD)
    return json.dumps(fields).encode()
