"""Fields and bodies that check their limits before they do any work.

marshmallow's own List and Dict load all items before they check the length: 500,000 empty objects took 24 seconds and
350 MB. These check the length first and stop at the first error. Every field of a request is one of these or has a
fixed size; a test checks all bodies and queries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, TypedDict, TypeVar, Unpack

from marshmallow import Schema, ValidationError, fields, post_load, pre_load, validate

from vault.model.digits import BIGINT_MOST, whole_number

T = TypeVar("T")

Validator = Callable[[str], object]
Noun = Callable[..., object]  # type: ignore[explicit-any]  # each body has its own signature
"""Makes an object from the fields of a body. The fields are arguments, so each body has its own signature."""


class Options(TypedDict, total=False):
    """The options of every field."""

    required: bool
    allow_none: bool
    load_default: object
    metadata: Mapping[str, object]


class Body(Schema):
    """A body or a query. An unknown name is refused before any field is loaded."""

    noun: ClassVar[Noun | None] = None
    """Makes an object from the loaded fields. None leaves them as they are."""

    @post_load
    def make(self, loaded: dict[str, object], **_: object) -> object:
        """Return the object that `noun` makes of the loaded fields, or the fields if there is no `noun`."""
        noun = type(self).noun
        return loaded if noun is None else noun(**loaded)

    @pre_load
    def refuse_unknown(self, data: object, **_: object) -> object:
        """Stop at the first unknown name. marshmallow would make an error for each one."""
        # With no more names than fields, marshmallow makes only a few errors.
        if isinstance(data, Mapping) and len(data) > len(self.load_fields):
            known = {field.data_key or name for name, field in self.load_fields.items()}
            unknown = next(name for name in data if name not in known)
            raise ValidationError({unknown: ["Unknown field."]})
        return data


class BoundedText(fields.String):
    """Text of at most `most` characters."""

    def __init__(
        self, *, most: int, least: int = 0, validate: Sequence[Validator] = (), **options: Unpack[Options]
    ) -> None:
        super().__init__(validate=[_length(least, most), *validate], **options)
        self.most = most

    def _deserialize(self, value: object, attr: str | None, data: object, **_: object) -> str:
        # marshmallow runs all validators, and some are slow on a long text.
        _refuse_long(value, self.most, "characters")
        return super()._deserialize(value, attr, data)


class BoundedList(fields.List[T]):
    """A list of at most `most` items."""

    def __init__(self, inner: fields.Field[T], *, most: int, least: int = 0, **options: Unpack[Options]) -> None:
        super().__init__(inner, validate=_length(least, most), **options)
        self.most = most

    def _deserialize(
        self, value: object, attr: str | None, data: object, partial: object = None, **_: object
    ) -> list[T | None]:
        if not isinstance(value, list):
            raise self.make_error("invalid")
        _refuse_long(value, self.most, "items")
        found: list[T | None] = []
        for position, item in enumerate(value):
            try:
                found.append(self.inner.deserialize(item, partial=partial))
            except ValidationError as error:
                raise ValidationError({position: error.messages}) from error
        return found


class BoundedMap(fields.Dict):
    """An object of at most `most` names. Without `values`, its values are not checked."""

    def __init__(
        self,
        keys: fields.Field[str] | None = None,
        values: fields.Field[T] | None = None,
        *,
        most: int,
        **options: Unpack[Options],
    ) -> None:
        # OpenAPI's name for the bound of an object. apispec would call marshmallow's Length `maxLength`.
        options["metadata"] = {**options.get("metadata", {}), "maxProperties": most}
        super().__init__(keys, values, **options)
        self.most = most

    def _deserialize(
        self, value: object, attr: str | None, data: object, partial: object = None, **_: object
    ) -> dict[object, object]:
        if not isinstance(value, dict):
            raise self.make_error("invalid")
        _refuse_long(value, self.most, "names")
        return {
            self._part("key", self.key_field, name, name, partial): self._part(
                "value", self.value_field, name, item, partial
            )
            for name, item in value.items()
        }

    @staticmethod
    def _part(kind: str, field: fields.Field[T] | None, name: object, given: object, partial: object) -> object:
        if field is None:
            return given
        try:
            return field.deserialize(given, partial=partial)
        except ValidationError as error:
            raise ValidationError({name: {kind: error.messages}}) from error


class WholeNumber(fields.Integer):
    """A whole number from `least` to `most`: a JSON number, or ASCII digits in a query."""

    def __init__(self, *, most: int, least: int = 0, **options: Unpack[Options]) -> None:
        super().__init__(validate=validate.Range(least, most), **options)

    def _deserialize(self, value: object, attr: str | None, data: object, **_: object) -> int:
        # A query has only strings. In JSON, a string is not a number.
        number = whole_number(value, BIGINT_MOST) if isinstance(value, str) and not isinstance(data, dict) else value
        if isinstance(number, bool) or not isinstance(number, int):
            raise self.make_error("invalid", input=value)
        return number


def _length(least: int, most: int) -> validate.Length:
    return validate.Length(least or None, most)


def _refuse_long(value: object, most: int, what: str) -> None:
    if isinstance(value, str | list | dict) and len(value) > most:
        raise ValidationError(f"At most {most} {what} are allowed.")
