"""The shapes of variables and values."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields

from vault.api.schemas.bounded import Body, BoundedList, BoundedMap, BoundedText
from vault.api.schemas.parts import NAME_MOST, Switch, Text
from vault.errors import InvalidInput
from vault.model.environment import (
    DESCRIPTION_MAX_CHARACTERS,
    ENVIRONMENT_MAX_BYTES,
    VARIABLES_MOST,
    VariableType,
    check_variable_name,
)


def _variable_name(text: str) -> None:
    try:
        check_variable_name(text)
    except InvalidInput as error:
        raise ValidationError(error.message) from error


class VariableSchema(Body):
    """A variable with all its attributes."""

    name = BoundedText(most=NAME_MOST, required=True, validate=[_variable_name])
    value = Text(most=ENVIRONMENT_MAX_BYTES, required=True)
    type = fields.Enum(VariableType, by_value=True, load_default=VariableType.DEFAULT)
    enabled = Switch(load_default=True)
    literal = Switch(load_default=False)
    description = BoundedText(most=DESCRIPTION_MAX_CHARACTERS, load_default="")


class VariableBody(Body):
    """A variable whose name is in the address."""

    value = BoundedText(most=ENVIRONMENT_MAX_BYTES, required=True)
    type = fields.Enum(VariableType, by_value=True, load_default=VariableType.DEFAULT)
    enabled = Switch(load_default=True)
    literal = Switch(load_default=False)
    description = BoundedText(most=DESCRIPTION_MAX_CHARACTERS, load_default="")


class AttributesBody(Body):
    """The attributes of a variable that a merge sets; those that are absent stay."""

    value = BoundedText(most=ENVIRONMENT_MAX_BYTES)
    type = fields.Enum(VariableType, by_value=True)
    enabled = Switch()
    literal = Switch()
    description = BoundedText(most=DESCRIPTION_MAX_CHARACTERS)


_ATTRIBUTES = AttributesBody()
"""Made once: a schema takes longer to make than to use, and a merge may hold thousands."""


class Merged(fields.Field[Any]):
    """In a merge: text is a value, an object sets attributes, null removes."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> dict[str, Any]:
        if isinstance(value, str):
            return {"value": value}
        if not isinstance(value, dict):
            raise ValidationError("A variable is text, an object with its attributes, or null to remove it.")
        loaded: dict[str, Any] = _ATTRIBUTES.load(value)
        return loaded


class PatchVariablesBody(Body):
    variables = BoundedMap(
        BoundedText(most=NAME_MOST), Merged(allow_none=True), most=VARIABLES_MOST, required=True,
        metadata={"description": "Name → text, an object with attributes, or null to remove it."},
    )  # fmt: skip


class PutVariablesBody(Body):
    variables = BoundedList(fields.Nested(VariableSchema), most=VARIABLES_MOST, required=True)


class VariablesAnswer(Schema):
    variables = fields.List(fields.Nested(VariableSchema))
    revision = fields.Integer(allow_none=True)


class VariableAnswer(VariableSchema):
    revision = fields.Integer(allow_none=True)


class WrittenAnswer(Schema):
    revision = fields.Integer(allow_none=True)


class ValuesAnswer(Schema):
    values = fields.Dict(fields.String(), fields.String())
    warnings = fields.List(fields.String())
    revision = fields.Integer(allow_none=True)
