"""Schemas of sessions, and of logins that need a second factor."""

from __future__ import annotations

from marshmallow import Schema, fields

from vault.api.schemas.bounded import Body, BoundedText
from vault.api.schemas.parts import NAME_MOST, PASSWORD_MOST, Moment, one_line
from vault.api.schemas.people import UserSchema

OPTIONS = {"description": "The input of the browser's `PublicKeyCredential.parse…OptionsFromJSON()`."}


class LoginBody(Body):
    username = BoundedText(most=NAME_MOST, required=True, validate=[one_line])
    password = BoundedText(most=PASSWORD_MOST, required=True)


class NewSessionAnswer(Schema):
    """A session with its secret. The secret is shown only in this answer."""

    id = fields.String(attribute="session.id")
    secret = fields.String()
    user = fields.Nested(UserSchema)
    created_at = Moment(attribute="session.created_us")
    expires_at = Moment(attribute="session.expires_us")
    idle_seconds = fields.Integer(attribute="session.idle_seconds")
    factors = fields.List(
        fields.String(),
        attribute="session.factors",
        metadata={"description": "How the person logged in: password, totp, passkey, recovery."},
    )
    recovery_codes_left = fields.Integer(
        allow_none=True, metadata={"description": "After a login with a recovery code: how many codes are left."}
    )


class SessionSchema(Schema):
    id = fields.String()
    kind = fields.String()
    created_at = Moment(attribute="created_us")
    last_seen_at = Moment(attribute="seen_us")
    expires_at = Moment(attribute="expires_us")
    address = fields.String()
    agent = fields.String()
    current = fields.Boolean()


class SessionPage(Schema):
    items = fields.List(fields.Nested(SessionSchema))
    next = fields.String(allow_none=True)


class ChallengeAnswer(Schema):
    """What must be completed, until when, and with which kinds of factors."""

    id = fields.String()
    kinds = fields.List(fields.String(), metadata={"description": "Some of totp, passkey and recovery."})
    expires_at = Moment(attribute="expires_us")
    passkey = fields.Dict(allow_none=True, metadata=OPTIONS)
