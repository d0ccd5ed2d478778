"""Schemas of ended sessions, of changed passwords, and of the tokens that sessions made."""

from __future__ import annotations

from marshmallow import Schema, fields

from vault.api.schemas.bounded import Body, BoundedText
from vault.api.schemas.parts import PASSWORD_MOST, Moment, Switch
from vault.api.schemas.sessions import NewSessionAnswer

_TOKENS = {
    "description": "The active tokens that the person's sessions have made: sessions that were active, and those that "
    "ended within the last day."
}
_TOKENS_ENDED = {"description": "Whether these tokens have ended. Otherwise they keep working."}


class EndTokensQuery(Body):
    end_tokens = fields.Boolean(
        load_default=False, metadata={"description": "End the tokens that the sessions made, too."}
    )


class ChangePasswordBody(Body):
    current_password = BoundedText(most=PASSWORD_MOST, required=True)
    new_password = BoundedText(most=PASSWORD_MOST, required=True)
    end_tokens = Switch(load_default=False)


class UnnamedTokenSchema(Schema):
    """A token that a session has made, as operators see it: its name is the person's own."""

    id = fields.String()
    session_id = fields.String()
    created_at = Moment(attribute="created_us")
    expires_at = Moment(attribute="expires_us", allow_none=True)
    last_used_at = Moment(attribute="last_used_us", allow_none=True)


class MadeTokenSchema(UnnamedTokenSchema):
    """A token that a session has made."""

    name = fields.String()


class EndedAnswer(Schema):
    sessions = fields.Integer(metadata={"description": "How many sessions were active."})
    tokens = fields.List(fields.Nested(MadeTokenSchema), metadata=_TOKENS)
    tokens_ended = fields.Boolean(metadata=_TOKENS_ENDED)


class EndedOfPersonAnswer(EndedAnswer):
    tokens = fields.List(fields.Nested(UnnamedTokenSchema), metadata=_TOKENS)


class ChangedPasswordAnswer(Schema):
    session = fields.Nested(
        NewSessionAnswer,
        allow_none=True,
        metadata={
            "description": "The session that replaces the one that made this call. It is null for an account with a "
            "second factor: that session continues."
        },
    )
    tokens = fields.List(fields.Nested(MadeTokenSchema), metadata=_TOKENS)
    tokens_ended = fields.Boolean(metadata=_TOKENS_ENDED)
