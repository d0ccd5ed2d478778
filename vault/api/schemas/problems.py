"""The schema of an error."""

from __future__ import annotations

from marshmallow import Schema, fields

from vault.api.schemas.sessions import ChallengeAnswer


class ProblemSchema(Schema):
    """An error (RFC 9457). `code` is stable and meant for programs."""

    type = fields.String()
    title = fields.String()
    status = fields.Integer()
    detail = fields.String()
    code = fields.String()
    path = fields.String(metadata={"description": "The field with the fault."})
    challenge = fields.Nested(
        ChallengeAnswer, metadata={"description": "With second_factor_required: the challenge to complete."}
    )
    request_id = fields.String()
