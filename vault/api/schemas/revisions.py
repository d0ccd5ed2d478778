"""Schemas of revisions, their differences, and rollbacks."""

from __future__ import annotations

from marshmallow import Schema, fields

from vault.api.schemas.bounded import Body, WholeNumber
from vault.api.schemas.parts import Moment
from vault.api.schemas.variables import VariableSchema
from vault.model.digits import BIGINT_MOST


class RollbackBody(Body):
    revision = WholeNumber(least=1, most=BIGINT_MOST, required=True)


class RevisionSchema(Schema):
    """A revision without its variables."""

    id = fields.String()
    number = fields.Integer()
    created_at = Moment(attribute="created_us")
    created_by = fields.String()
    deletion_at = Moment(attribute="deletion_us", allow_none=True)
    destroyed = fields.Boolean()


class RevisionPage(Schema):
    items = fields.List(fields.Nested(RevisionSchema))
    next = fields.String(allow_none=True)


class RevisionAnswer(RevisionSchema):
    variables = fields.List(fields.Nested(VariableSchema))


class DiffQuery(Body):
    against = WholeNumber(most=BIGINT_MOST, load_default=None)


class ChangeSchema(Schema):
    name = fields.String()
    kind = fields.String()
    before = fields.Nested(VariableSchema, allow_none=True)
    after = fields.Nested(VariableSchema, allow_none=True)


class DiffAnswer(Schema):
    from_ = fields.Integer(data_key="from")
    to = fields.Integer()
    changes = fields.List(fields.Nested(ChangeSchema))
