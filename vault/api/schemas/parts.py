"""What shapes of several resources share: times, texts, names, switches, pages."""

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
    """Microseconds since 1970 → RFC 3339 in UTC, as `2026-11-22T09:00:00Z`."""

    def _serialize(self, value: int | None, attr: str | None, obj: Any, **_: Any) -> str | None:
        return moment(value)


def moment(us: int | None) -> str | None:
    """A time as RFC 3339 in UTC; microseconds only where they are not zero."""
    return None if us is None else http.moment(us)


class Text(BoundedText):
    """A value: text as it is, and any other JSON value (which a Vault client wrote) as its JSON text."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **_: Any) -> str:
        return value if isinstance(value, str) else strict_json.dumps(value)


class Switch(fields.Boolean):
    """true or false, and nothing that only looks like it: Python takes 1 for True."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Reference(BoundedText):
    """A name or an id to look for, in the form that names are stored in."""

    def __init__(self, **options: Any) -> None:
        super().__init__(most=NAME_MOST, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> str:
        text = normal(super()._deserialize(value, attr, data), path=attr or "")
        one_line(text)
        return text


def one_line(text: str) -> None:
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise ValidationError("A name has no control characters.")


class Page(Body):
    """What every list takes."""

    cursor = BoundedText(
        most=_CURSOR_MOST, load_default=None, metadata={"description": "Where the page before has ended (its `next`)."}
    )
    limit = WholeNumber(least=1, most=PAGE_MOST, load_default=PAGE_DEFAULT)


class MomentText(fields.Field[Any]):
    """RFC 3339 → microseconds since 1970."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> int:
        try:
            found = datetime.datetime.fromisoformat(str(value)[:_MOMENT_MOST])
        except ValueError as error:
            raise ValidationError("This is no time, as 2026-11-22T09:00:00Z is one.") from error
        if found.tzinfo is None:
            raise ValidationError("A time says its zone, as Z.")
        return (found - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(microseconds=1)
