"""Schemas of imports and exports."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from vault.api.schemas.bounded import Body, BoundedText
from vault.api.schemas.parts import Reference, Switch
from vault.formats import FORMATS
from vault.model.budgets import BODY_MOST_BYTES
from vault.model.environment import NAME_MAX_CHARACTERS

_WORD_MOST = 64


class ImportBody(Body):
    environment = Reference(required=True, allow_none=True)
    format = BoundedText(
        most=_WORD_MOST,
        required=True,
        metadata={"enum": [name for name, each in FORMATS.items() if each.can_parse]},
    )
    text = BoundedText(most=BODY_MOST_BYTES, required=True)
    mode = BoundedText(most=_WORD_MOST, load_default="merge", validate=[validate.OneOf(["merge", "replace"])])
    dry_run = Switch(load_default=False)
    literal = Switch(load_default=False)
    expand = Switch(load_default=False)
    pick = BoundedText(
        most=NAME_MAX_CHARACTERS,
        load_default="",
        metadata={"description": "The name or id of one environment, if the file has several."},
    )


class PlanSchema(Schema):
    added = fields.List(fields.String())
    changed = fields.List(fields.String())
    removed = fields.List(fields.String())
    unchanged = fields.List(fields.String())


class ImportAnswer(Schema):
    plan = fields.Nested(PlanSchema)
    revision = fields.Integer(allow_none=True)
    warnings = fields.List(fields.String())


class ExportQuery(Body):
    format = BoundedText(most=_WORD_MOST, load_default="dotenv", metadata={"enum": list(FORMATS)})
    strict = fields.Boolean(
        load_default=False, metadata={"description": "Refuse if the format cannot carry everything."}
    )
