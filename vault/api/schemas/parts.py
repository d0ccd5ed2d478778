"""Fields that several schemas share: times, texts, names, booleans, pages."""

from __future__ import annotations

import datetime
import unicodedata
from typing import Any

from marshmallow import ValidationError, fields

from vault import http
from vault.api.schemas.bounded import Body, BoundedText, WholeNumber
from vault.model import strict_json
from vault.model.environment import NAME_MAX_CHARACTERS, normal

PAGE_DEFAULT = 50
PAGE_MOST = 200

NAME_MOST = 4 * NAME_MAX_CHARACTERS
"""Normalising shortens a name to no less than a quarter, so a longer name can never be valid."""

PASSWORD_MOST = 4096
"""A password of 1,024 bytes never has more characters than this before it is normalised."""

_CURSOR_MOST = 4096
_MOMENT_MOST = 64


class Moment(fields.Field[Any]):
    """Microseconds since 1970, written as RFC 3339 in UTC: `2026-11-22T09:00:00Z`."""

    def _serialize(self, value: int | None, attr: str | None, obj: Any, **_: Any) -> str | None:
        return moment(value)


def moment(us: int | None) -> str | None:
    """Return a time as RFC 3339 in UTC. The fraction is left out if it is zero."""
    return None if us is None else http.moment(us)


class Text(BoundedText):
    """A value. Text is written as it is, and any other JSON value (stored by a Vault client) as its JSON text."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **_: Any) -> str:
        return value if isinstance(value, str) else strict_json.dumps(value)


class Switch(fields.Boolean):
    """true or false. Python's bool would also accept 1 for True."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Reference(BoundedText):
    """A name or an id to look up, normalised as names are stored."""

    def __init__(self, **options: Any) -> None:
        super().__init__(most=NAME_MOST, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> str:
        text = normal(super()._deserialize(value, attr, data), path=attr or "")
        one_line(text)
        return text


def one_line(text: str) -> None:
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise ValidationError("A name must not contain control characters.")


class Page(Body):
    """The query fields of every list."""

    cursor = BoundedText(
        most=_CURSOR_MOST, load_default=None, metadata={"description": "The `next` of the page before."}
    )
    limit = WholeNumber(least=1, most=PAGE_MOST, load_default=PAGE_DEFAULT)


class MomentText(fields.Field[Any]):
    """An RFC 3339 time, read as microseconds since 1970."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> int:
        try:
            found = datetime.datetime.fromisoformat(str(value)[:_MOMENT_MOST])
        except ValueError as error:
            raise ValidationError("Write a time as 2026-11-22T09:00:00Z.") from error
        if found.tzinfo is None:
            raise ValidationError("Write a time with its zone, for example Z.")
        return (found - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(microseconds=1)
