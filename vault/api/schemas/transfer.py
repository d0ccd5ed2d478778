"""The shapes of imports and exports."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from vault.api.schemas.parts import Reference, Switch


class ImportBody(Schema):
    environment = Reference(required=True, allow_none=True)
    format = fields.String(required=True)
    text = fields.String(required=True)
    mode = fields.String(load_default="merge", validate=validate.OneOf(["merge", "replace"]))
    dry_run = Switch(load_default=False)


class PlanSchema(Schema):
    added = fields.List(fields.String())
    changed = fields.List(fields.String())
    removed = fields.List(fields.String())
    unchanged = fields.List(fields.String())


class ImportAnswer(Schema):
    plan = fields.Nested(PlanSchema)
    revision = fields.Integer(allow_none=True)
    warnings = fields.List(fields.String())


class ExportQuery(Schema):
    format = fields.String(load_default="dotenv")
    strict = fields.Boolean(
        load_default=False, metadata={"description": "Refuse where the format cannot carry everything."}
    )
