"""Schemas of the audit."""

from __future__ import annotations

import json

from marshmallow import Schema, fields

from vault.api.schemas.bounded import BoundedText
from vault.api.schemas.parts import NAME_MOST, Moment, MomentText, Page

_WORD_MOST = 128


class AuditQuery(Page):
    """The query that selects events."""

    user = BoundedText(
        most=NAME_MOST, load_default=None, metadata={"description": "The person: a username, or the id of a user."}
    )
    actor = BoundedText(
        most=NAME_MOST, load_default=None, metadata={"description": "Who acted: session:…, token:… or host:…"}
    )
    action = BoundedText(most=_WORD_MOST, load_default=None)
    result = BoundedText(
        most=_WORD_MOST, load_default=None, metadata={"description": "ok, unchanged, or the reason of a refusal."}
    )
    environment_id = fields.UUID(load_default=None)
    since = MomentText(load_default=None)
    until = MomentText(load_default=None)
    variable = BoundedText(
        most=NAME_MOST,
        load_default=None,
        metadata={
            "description": "A variable's name. Finds changes and reads of it, also as part of a whole environment."
        },
    )


class Details(fields.Field[str]):
    """The JSON object that an event keeps as text."""

    def _serialize(self, value: str | None, attr: str | None, obj: object, **_: object) -> object:
        return json.loads(value) if value else {}


class OwnAuditSchema(Schema):
    """An event about the caller. If somebody else acted, their address is hidden."""

    id = fields.String(attribute="event.id")
    at = Moment(attribute="event.at_us")
    action = fields.String(attribute="event.action")
    result = fields.String(attribute="event.result")
    actor = fields.String(attribute="event.actor")
    environment_id = fields.String(attribute="event.environment_id", allow_none=True)
    revision = fields.Integer(attribute="event.revision", allow_none=True)
    address = fields.String(attribute="event.address")
    request_id = fields.String(attribute="event.request_id")
    details = Details(attribute="event.details")


class OwnAuditPage(Schema):
    items = fields.List(fields.Nested(OwnAuditSchema))
    next = fields.String(allow_none=True)


class AuditSchema(OwnAuditSchema):
    """An event as operators see it."""

    sequence = fields.Integer(allow_none=True)
    user_id = fields.String(attribute="event.user_id", allow_none=True)
    actor_id = fields.String(attribute="event.actor_id", allow_none=True)


class AuditPage(Schema):
    items = fields.List(fields.Nested(AuditSchema))
    next = fields.String(allow_none=True)
