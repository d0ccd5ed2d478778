"""Schemas of variables and values."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from marshmallow import Schema, ValidationError, fields

from vault.api.schemas.bounded import Body, BoundedList, BoundedMap, BoundedText, Noun
from vault.api.schemas.parts import NAME_MOST, Switch, Text
from vault.errors import InvalidInput
from vault.model.environment import (
    DESCRIPTION_MAX_CHARACTERS,
    ENVIRONMENT_MAX_BYTES,
    VARIABLES_MOST,
    Variable,
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

    noun: ClassVar[Noun | None] = Variable

    name = BoundedText(most=NAME_MOST, required=True, validate=[_variable_name])
    value = Text(most=ENVIRONMENT_MAX_BYTES, required=True)
    type = fields.Enum(VariableType, by_value=True, load_default=VariableType.DEFAULT)
    enabled = Switch(load_default=True)
    literal = Switch(load_default=False)
    description = BoundedText(most=DESCRIPTION_MAX_CHARACTERS, load_default="")


# The next two classes repeat the attributes on purpose: a common parent would put its fields first, which changes their
# order in openapi.json and in answers. Besides, a merge has no defaults, and a `value` is bounded in two ways.
class VariableBody(Body):
    """A variable whose name is in the path."""

    noun: ClassVar[Noun | None] = partial(Variable, "")

    value = BoundedText(most=ENVIRONMENT_MAX_BYTES, required=True)
    type = fields.Enum(VariableType, by_value=True, load_default=VariableType.DEFAULT)
    enabled = Switch(load_default=True)
    literal = Switch(load_default=False)
    description = BoundedText(most=DESCRIPTION_MAX_CHARACTERS, load_default="")


class AttributesBody(Body):
    """The attributes that a merge sets. Absent attributes do not change."""

    value = BoundedText(most=ENVIRONMENT_MAX_BYTES)
    type = fields.Enum(VariableType, by_value=True)
    enabled = Switch()
    literal = Switch()
    description = BoundedText(most=DESCRIPTION_MAX_CHARACTERS)


_ATTRIBUTES = AttributesBody()
"""Make this once: making a schema is slower than using it, and a merge may have thousands of variables."""


class Merged(fields.Field[dict[str, object]]):
    """A variable in a merge: text is its value, an object sets attributes, null removes it."""

    def _deserialize(self, value: object, attr: str | None, data: object, **_: object) -> dict[str, object]:
        if isinstance(value, str):
            return {"value": value}
        if not isinstance(value, dict):
            raise ValidationError("A variable must be text, an object with attributes, or null to remove it.")
        loaded: dict[str, object] = _ATTRIBUTES.load(value)
        return loaded


class PatchVariablesBody(Body):
    variables = BoundedMap(
        BoundedText(most=NAME_MOST), Merged(allow_none=True), most=VARIABLES_MOST, required=True,
        metadata={"description": "For each name: text, an object with attributes, or null to remove the variable."},
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
    globals_warnings = fields.List(
        fields.String(),
        metadata={"description": "Those of the warnings that are only about globals."},
    )
    revision = fields.Integer(allow_none=True)
