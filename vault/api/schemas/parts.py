"""Fields that several schemas share: times, texts, names, booleans, pages."""

from __future__ import annotations

import datetime
import unicodedata
from typing import Unpack, cast

from marshmallow import ValidationError, fields, post_load

from vault.api.paging import Paging
from vault.api.schemas.bounded import Body, BoundedText, Options, WholeNumber
from vault.model import strict_json
from vault.model.clock import from_datetime, rfc3339
from vault.model.environment import NAME_MAX_DECOMPOSED, normal
from vault.model.strict_json import WrittenJson

PAGE_DEFAULT = 50
PAGE_MOST = 200

NAME_MOST = NAME_MAX_DECOMPOSED
"""Names are bounded before they are normalised."""

PASSWORD_MOST = 4096
"""A password of 1,024 bytes never has more characters than this before it is normalised."""

_CURSOR_MOST = 4096
_MOMENT_MOST = 64


class Moment(fields.String):
    """Microseconds since 1970, written as RFC 3339 in UTC: `2026-11-22T09:00:00Z`."""

    def _serialize(self, value: object, attr: str | None, obj: object, **_: object) -> str | None:
        return rfc3339(value) if isinstance(value, int) else None


class Text(BoundedText):
    """A value. Text is written as it is, and any other JSON value (stored by a Vault client) as its JSON text."""

    def _serialize(self, value: object, attr: str | None, obj: object, **_: object) -> str:
        return value if isinstance(value, str) else strict_json.dumps(cast(WrittenJson, value))


class Switch(fields.Boolean):
    """true or false. Python's bool would also accept 1 for True."""

    def _deserialize(self, value: object, attr: str | None, data: object, **_: object) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Reference(BoundedText):
    """A name or an id to look up, normalised as names are stored."""

    def __init__(self, *, least: int = 0, **options: Unpack[Options]) -> None:
        super().__init__(most=NAME_MOST, least=least, **options)

    def _deserialize(self, value: object, attr: str | None, data: object, **_: object) -> str:
        text = normal(super()._deserialize(value, attr, data), path=attr or "")
        one_line(text)
        return text


def one_line(text: str) -> None:
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise ValidationError("A name must not contain control characters.")


class Page(Body):
    """The query fields of every list."""

    cursor = BoundedText(
        most=_CURSOR_MOST, load_default=None, metadata={"description": "The `next` of the previous page."}
    )
    limit = WholeNumber(least=1, most=PAGE_MOST, load_default=PAGE_DEFAULT)

    @post_load
    def make(self, loaded: dict[str, object], **_: object) -> dict[str, object]:
        """Put the fields of every list into one `page`."""
        cursor, limit = loaded.pop("cursor"), loaded.pop("limit")
        assert isinstance(cursor, str | None)
        assert isinstance(limit, int)
        return {"page": Paging(cursor, limit), **loaded}


class MomentText(fields.Field[int]):
    """An RFC 3339 time, read as microseconds since 1970."""

    def _deserialize(self, value: object, attr: str | None, data: object, **_: object) -> int:
        try:
            found = datetime.datetime.fromisoformat(str(value)[:_MOMENT_MOST])
        except ValueError as error:
            raise ValidationError("Write a time as 2026-11-22T09:00:00Z.") from error
        if found.tzinfo is None:
            raise ValidationError("Write a time with its zone, for example Z.")
        return from_datetime(found)
