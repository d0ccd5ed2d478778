"""The shapes of variables and values."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from vault.api.schemas.parts import Switch, Text
from vault.errors import InvalidInput
from vault.model.environment import DESCRIPTION_MAX_CHARACTERS, VARIABLES_MOST, VariableType, check_variable_name

_DESCRIPTION = validate.Length(max=DESCRIPTION_MAX_CHARACTERS)


def _variable_name(text: str) -> None:
    try:
        check_variable_name(text)
    except InvalidInput as error:
        raise ValidationError(error.message) from error


class VariableSchema(Schema):
    """A variable with all its attributes."""

    name = fields.String(required=True, validate=_variable_name)
    value = Text(required=True)
    type = fields.Enum(VariableType, by_value=True, load_default=VariableType.DEFAULT)
    enabled = Switch(load_default=True)
    literal = Switch(load_default=False)
    description = fields.String(load_default="", validate=_DESCRIPTION)


class VariableBody(Schema):
    """A variable whose name is in the address."""

    value = fields.String(required=True)
    type = fields.Enum(VariableType, by_value=True, load_default=VariableType.DEFAULT)
    enabled = Switch(load_default=True)
    literal = Switch(load_default=False)
    description = fields.String(load_default="")


class AttributesBody(Schema):
    """The attributes of a variable that a merge sets; those that are absent stay."""

    value = fields.String()
    type = fields.Enum(VariableType, by_value=True)
    enabled = Switch()
    literal = Switch()
    description = fields.String()


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


class FewPairs(fields.Dict):
    """A mapping whose size is looked at before its items are."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        _refuse_many(value)
        return super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]  # it has no types


class FewItems(fields.List[Any]):
    """A list whose length is looked at before its items are."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        _refuse_many(value)
        return super()._deserialize(value, attr, data, **kwargs)


def _refuse_many(value: Any) -> None:
    if isinstance(value, list | dict) and len(value) > VARIABLES_MOST:
        raise ValidationError(f"An environment holds at most {VARIABLES_MOST} variables.")


class PatchVariablesBody(Schema):
    variables = FewPairs(
        fields.String(), Merged(allow_none=True), required=True,
        metadata={"description": "Name → text, an object with attributes, or null to remove it."},
    )  # fmt: skip


class PutVariablesBody(Schema):
    variables = FewItems(fields.Nested(VariableSchema), required=True)


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
