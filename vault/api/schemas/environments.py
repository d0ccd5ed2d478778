"""The shapes of environments."""

from __future__ import annotations

from marshmallow import Schema, fields

from vault.api.schemas.parts import Moment, Page, Reference, Switch
from vault.api.schemas.variables import FewItems, VariableSchema
from vault.services.environments import MAX_VERSIONS_DEFAULT


class EnvironmentSchema(Schema):
    """An environment without its values."""

    id = fields.String()
    name = fields.String()
    kind = fields.String()
    sealing = fields.String()
    revision = fields.Integer(allow_none=True)
    description = fields.String()
    max_versions = fields.Integer()
    cas_required = fields.Boolean()
    delete_version_after_seconds = fields.Integer()
    created_at = Moment(attribute="created_us")
    updated_at = Moment(attribute="updated_us")
    deleted_at = Moment(attribute="deleted_us", allow_none=True)


class EnvironmentPage(Schema):
    items = fields.List(fields.Nested(EnvironmentSchema))
    next = fields.String(allow_none=True)


class EnvironmentQuery(Page):
    name = Reference(load_default=None)
    deleted = fields.Boolean(load_default=False)


class CreateEnvironmentBody(Schema):
    name = fields.String(required=True)
    description = fields.String(load_default="")
    max_versions = fields.Integer(load_default=MAX_VERSIONS_DEFAULT, strict=True)
    variables = FewItems(fields.Nested(VariableSchema), load_default=None)


class ChangeEnvironmentBody(Schema):
    name = fields.String()
    description = fields.String()
    max_versions = fields.Integer(strict=True)
    cas_required = Switch()
    delete_version_after_seconds = fields.Integer(strict=True)


class ChangeGlobalsBody(ChangeEnvironmentBody):
    class Meta:
        exclude = ("name",)


class UndeleteBody(Schema):
    name = fields.String(load_default=None)


class CopyBody(Schema):
    name = fields.String(required=True)
