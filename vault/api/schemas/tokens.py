"""The shapes of service tokens and their grants."""

from __future__ import annotations

import ipaddress

from marshmallow import Schema, ValidationError, fields, validate

from vault.api.schemas.parts import Reference, Switch, one_line
from vault.model.grant import Permission
from vault.services.tokens import DEFAULT_TTL_SECONDS, GRANTS_MAX

_TEN_YEARS_SECONDS = 10 * 366 * 86_400


def _network(text: str) -> None:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise ValidationError("This is no network, as 10.0.0.0/8 is one.") from error


class GrantBody(Schema):
    """Permissions on exactly one of an environment (by name or id), a path prefix, or the globals."""

    environment = Reference()
    environment_id = fields.String()
    path = fields.String()
    globals = Switch()
    permissions = fields.List(fields.Enum(Permission, by_value=True), required=True, validate=validate.Length(1))


class GrantSchema(Schema):
    environment_id = fields.String()
    path = fields.String()
    globals = fields.Boolean()
    permissions = fields.List(fields.String())


class TokenBody(Schema):
    name = fields.String(required=True, validate=[validate.Length(1, 256), one_line])
    grants = fields.List(fields.Nested(GrantBody), required=True, validate=validate.Length(1, GRANTS_MAX))
    ttl_seconds = fields.Integer(
        load_default=DEFAULT_TTL_SECONDS, allow_none=True, strict=True, validate=validate.Range(1, _TEN_YEARS_SECONDS)
    )
    max_ttl_seconds = fields.Integer(
        load_default=None, allow_none=True, strict=True, validate=validate.Range(1, _TEN_YEARS_SECONDS)
    )
    renewable = Switch(load_default=False)
    uses = fields.Integer(load_default=None, allow_none=True, strict=True, validate=validate.Range(1, 1_000_000_000))
    networks = fields.List(fields.String(validate=_network), load_default=list, validate=validate.Length(max=64))
    metadata = fields.Dict(
        fields.String(validate=validate.Length(1, 128)),
        fields.String(validate=validate.Length(max=512)),
        load_default=dict,
        validate=validate.Length(max=64),
    )


class TokenSchema(Schema):
    """A token without its secret."""

    id = fields.String()
    accessor = fields.String()
    name = fields.String()
    grants = fields.List(fields.Nested(GrantSchema))
    parent_id = fields.String(allow_none=True)
    created_at = fields.String()
    expires_at = fields.String(allow_none=True)
    max_ttl_seconds = fields.Integer(allow_none=True)
    renewable = fields.Boolean()
    uses_left = fields.Integer(allow_none=True)
    networks = fields.List(fields.String())
    metadata = fields.Dict()
    last_used_at = fields.String(allow_none=True)


class TokenAnswer(TokenSchema):
    """A token with its secret, which is told this once."""

    secret = fields.String()


class TokenPage(Schema):
    items = fields.List(fields.Nested(TokenSchema))
    next = fields.String(allow_none=True)


class RotateBody(Schema):
    overlap_seconds = fields.Integer(load_default=0, strict=True)
