"""The shapes of sessions, and of logins that ask for more than a password."""

from __future__ import annotations

from marshmallow import Schema, fields

from vault.api.schemas.bounded import Body, BoundedText
from vault.api.schemas.parts import NAME_MOST, PASSWORD_MOST, Moment, one_line
from vault.api.schemas.people import UserSchema

OPTIONS = {"description": "What the browser's `PublicKeyCredential.parse…OptionsFromJSON()` takes."}


class LoginBody(Body):
    username = BoundedText(most=NAME_MOST, required=True, validate=[one_line])
    password = BoundedText(most=PASSWORD_MOST, required=True)


class NewSessionAnswer(Schema):
    """A session with its secret, which is told this once."""

    id = fields.String(attribute="row.id")
    secret = fields.String()
    user = fields.Nested(UserSchema)
    created_at = Moment(attribute="row.created_us")
    expires_at = Moment(attribute="row.expires_us")
    idle_seconds = fields.Integer(attribute="row.idle_seconds")
    factors = fields.List(
        fields.String(), metadata={"description": "What was proven: password, totp, passkey, recovery."}
    )
    recovery_codes_left = fields.Integer(
        allow_none=True, metadata={"description": "Where it began with a recovery code, how many are left."}
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
    """What is to be completed, until when, and with which kinds of factors."""

    id = fields.String()
    kinds = fields.List(fields.String(), metadata={"description": "Of totp, passkey and recovery."})
    expires_at = Moment(attribute="expires_us")
    passkey = fields.Dict(allow_none=True, metadata=OPTIONS)
