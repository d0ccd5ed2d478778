"""Schemas of service tokens and their grants."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

from marshmallow import Schema, fields, post_dump

from vault.api.schemas.bounded import Body, BoundedList, BoundedMap, BoundedText, Noun, WholeNumber
from vault.api.schemas.parts import NAME_MOST as REFERENCE_MOST
from vault.api.schemas.parts import Moment, Reference, Switch
from vault.model.grant import Permission
from vault.services.tokens.request import (
    DEFAULT_TTL_SECONDS,
    GRANTS_MAX,
    METADATA_MOST,
    METADATA_NAME_MOST,
    METADATA_VALUE_MOST,
    NAME_MOST,
    NETWORK_MOST,
    NETWORKS_MOST,
    TTL_MOST_SECONDS,
    USES_MOST,
    GrantRequest,
    TokenRequest,
)
from vault.services.tokens.tokens import OVERLAP_MAX_SECONDS

_ID_MOST = 64


def _grant(
    permissions: Collection[Permission],
    environment: str | None = None,
    environment_id: str | None = None,
    path: str | None = None,
    globals: bool = False,
) -> GrantRequest:
    return GrantRequest(frozenset(permissions), environment, environment_id, path, globals)


class GrantBody(Body):
    """Permissions on exactly one of: an environment (by name or id), a path prefix, the globals."""

    noun: ClassVar[Noun | None] = _grant

    environment = Reference()
    environment_id = BoundedText(most=_ID_MOST)
    path = BoundedText(most=REFERENCE_MOST)
    globals = Switch()
    permissions = BoundedList(fields.Enum(Permission, by_value=True), least=1, most=len(Permission), required=True)


class Permissions(fields.List[str]):
    """A set of permissions, in order."""

    def _serialize(self, value: object, attr: str | None, obj: object, **_: object) -> list[str]:
        assert isinstance(value, frozenset)
        return sorted(value)


class GrantSchema(Schema):
    environment_id = fields.String()
    environment_name = fields.String(metadata={"description": "The name, if the caller may list or read it."})
    path = fields.String()
    globals = fields.Boolean()
    permissions = Permissions(fields.String())

    @post_dump
    def leave_out(self, grant: dict[str, object], **_: object) -> dict[str, object]:
        """Leave out the places that the grant is not for."""
        return {name: value for name, value in grant.items() if value}


class TokenBody(Body):
    """The schema of a `TokenRequest`, which checks the texts."""

    noun: ClassVar[Noun | None] = TokenRequest

    name = BoundedText(least=1, most=NAME_MOST, required=True)
    grants = BoundedList(fields.Nested(GrantBody), least=1, most=GRANTS_MAX, required=True)
    ttl_seconds = WholeNumber(least=1, most=TTL_MOST_SECONDS, load_default=DEFAULT_TTL_SECONDS, allow_none=True)
    max_ttl_seconds = WholeNumber(least=1, most=TTL_MOST_SECONDS, load_default=None, allow_none=True)
    renewable = Switch(load_default=False)
    may_rotate = Switch(load_default=False, metadata={"description": "Whether the token may give itself a new secret."})
    uses = WholeNumber(least=1, most=USES_MOST, load_default=None, allow_none=True)
    networks = BoundedList(BoundedText(most=NETWORK_MOST), most=NETWORKS_MOST, load_default=list)
    metadata = BoundedMap(
        BoundedText(least=1, most=METADATA_NAME_MOST),
        BoundedText(most=METADATA_VALUE_MOST),
        most=METADATA_MOST,
        load_default=dict,
    )


class TokenSchema(Schema):
    """A token without its secret."""

    id = fields.String()
    accessor = fields.String()
    name = fields.String()
    grants = fields.List(fields.Nested(GrantSchema), attribute="named_grants")
    parent_id = fields.String(allow_none=True)
    created_at = Moment(attribute="created_us")
    expires_at = Moment(attribute="expires_us", allow_none=True)
    max_ttl_seconds = fields.Integer(allow_none=True)
    renewable = fields.Boolean()
    may_rotate = fields.Boolean()
    uses_left = fields.Integer(allow_none=True)
    networks = fields.List(fields.String())
    metadata = fields.Dict()
    last_used_at = Moment(attribute="last_used_us", allow_none=True)


class TokenAnswer(TokenSchema):
    """A token with its secret. The secret is shown only in this answer."""

    secret = fields.String()


class TokenPage(Schema):
    items = fields.List(fields.Nested(TokenSchema))
    next = fields.String(allow_none=True)


class RotateBody(Body):
    overlap_seconds = WholeNumber(most=OVERLAP_MAX_SECONDS, load_default=0)
