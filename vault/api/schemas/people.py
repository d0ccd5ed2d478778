"""Schemas of accounts and of erasures."""

from __future__ import annotations

from marshmallow import Schema, fields

from vault.api.schemas.bounded import Body, BoundedText
from vault.api.schemas.parts import PASSWORD_MOST, Moment


class PasswordBody(Body):
    password = BoundedText(most=PASSWORD_MOST, required=True)


class UserSchema(Schema):
    id = fields.String()
    username = fields.String(attribute="name")
    role = fields.String()
    created_at = Moment(attribute="created_us")


class RemainsSchema(Schema):
    """A place that still holds some of the erased data. `until` is null if this vault cannot know it."""

    place = fields.String()
    until = Moment(attribute="until_us", allow_none=True)
    sentence = fields.String()


class ErasureAnswer(Schema):
    """What an erasure deleted, in numbers, and what remains where. It contains no names."""

    user_id = fields.String()
    erased_at = Moment(attribute="erased_us")
    environments = fields.Integer()
    revisions = fields.Integer()
    user_keys = fields.Integer()
    data_keys = fields.Integer()
    sessions = fields.Integer()
    tokens = fields.Integer()
    audit_events = fields.Integer()
    remains = fields.List(fields.Nested(RemainsSchema))
