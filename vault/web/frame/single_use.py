"""Forms that work once. A second click, a reload or the back button sends them again, and this changes nothing.

Each such form contains a random name. Under this name, the id of what was made is stored, for a day and for this
session. A secret is never stored: it is only in the first answer.
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
class SentBefore:
    """The form was sent before. It made the thing with this id."""

    id: str


def once_field() -> Markup:
    """Return the field with a new random name, for a form of this page."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, secrets.token_urlsafe(_NAME_BYTES))


def once(unit: UnitOfWork, make: Callable[[UnitOfWork], T], id_of: Callable[[T], str]) -> T | SentBefore:
    """Return the result of `make`, or `SentBefore` if this form was sent before.

    Raises `IdempotencyMismatch` if the form was sent before with other content.
    """
    idempotency = services().idempotency
    claim = idempotency.claim(unit, principal(), Call("POST", request.path, field(FIELD), _filled_in()))
    if isinstance(claim, KeptAnswer):
        return SentBefore(claim.text)
    made = make(unit)
    idempotency.keep(unit, principal(), claim, KeptAnswer(201, {}, id_of(made)))
    return made


def _filled_in() -> bytes:
    """Return every field that decides what the form does."""
    fields = sorted((name, value) for name, value in request.form.items(multi=True) if name != csrf.FIELD)
    return json.dumps(fields).encode()
