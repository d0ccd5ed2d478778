"""The shapes of service tokens and their grants."""

from __future__ import annotations

import ipaddress

from marshmallow import Schema, ValidationError, fields

from vault.api.schemas.bounded import Body, BoundedList, BoundedMap, BoundedText, WholeNumber
from vault.api.schemas.parts import NAME_MOST, Reference, Switch, one_line
from vault.model.grant import Permission
from vault.services.tokens.tokens import DEFAULT_TTL_SECONDS, GRANTS_MAX, OVERLAP_MAX_SECONDS

_ID_MOST = 64
_NETWORK_MOST = 64
_TEN_YEARS_SECONDS = 10 * 366 * 86_400


def _network(text: str) -> None:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise ValidationError("This is no network, as 10.0.0.0/8 is one.") from error


class GrantBody(Body):
    """Permissions on exactly one of an environment (by name or id), a path prefix, or the globals."""

    environment = Reference()
    environment_id = BoundedText(most=_ID_MOST)
    path = BoundedText(most=NAME_MOST)
    globals = Switch()
    permissions = BoundedList(fields.Enum(Permission, by_value=True), least=1, most=len(Permission), required=True)


class GrantSchema(Schema):
    environment_id = fields.String()
    path = fields.String()
    globals = fields.Boolean()
    permissions = fields.List(fields.String())


class TokenBody(Body):
    name = BoundedText(least=1, most=256, required=True, validate=[one_line])
    grants = BoundedList(fields.Nested(GrantBody), least=1, most=GRANTS_MAX, required=True)
    ttl_seconds = WholeNumber(least=1, most=_TEN_YEARS_SECONDS, load_default=DEFAULT_TTL_SECONDS, allow_none=True)
    max_ttl_seconds = WholeNumber(least=1, most=_TEN_YEARS_SECONDS, load_default=None, allow_none=True)
    renewable = Switch(load_default=False)
    uses = WholeNumber(least=1, most=1_000_000_000, load_default=None, allow_none=True)
    networks = BoundedList(BoundedText(most=_NETWORK_MOST, validate=[_network]), most=64, load_default=list)
    metadata = BoundedMap(BoundedText(least=1, most=128), BoundedText(most=512), most=64, load_default=dict)


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


class RotateBody(Body):
    overlap_seconds = WholeNumber(most=OVERLAP_MAX_SECONDS, load_default=0)
