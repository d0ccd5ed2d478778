"""Schemas of second factors, and of the proof that completes a challenge."""

from __future__ import annotations

from typing import ClassVar

from marshmallow import Schema, fields

from vault.api.schemas.bounded import Body, BoundedMap, BoundedText, Noun
from vault.api.schemas.parts import Moment
from vault.api.schemas.sessions import OPTIONS
from vault.services.people.factors.enrolment import NAME_MAX_CHARACTERS
from vault.services.people.logins import Proof

_CODE_MOST = 64
_PASSKEY_NAMES_MOST = 32
_PASSKEY = {"description": "The browser's credential as JSON (WebAuthn Level 3, `PublicKeyCredential.toJSON()`)."}


class ProofBody(Body):
    """Exactly one of these proofs."""

    noun: ClassVar[Noun | None] = Proof

    code = BoundedText(least=1, most=_CODE_MOST)
    recovery_code = BoundedText(least=1, most=_CODE_MOST)
    passkey = BoundedMap(most=_PASSKEY_NAMES_MOST, metadata=_PASSKEY)


class FactorSchema(Schema):
    """A second factor."""

    id = fields.String()
    kind = fields.String()
    name = fields.String()
    created_at = Moment(attribute="created_us")
    last_used_at = Moment(attribute="used_us", allow_none=True)


class FactorsAnswer(Schema):
    """All second factors. `required` is true if a password alone does not log in."""

    items = fields.List(fields.Nested(FactorSchema))
    recovery_codes_left = fields.Integer()
    required = fields.Boolean()


class NewTotpAnswer(Schema):
    """The secret for an authenticator app, and the same secret as a URI for a QR code."""

    id = fields.String()
    secret = fields.String()
    uri = fields.String()
    expires_at = Moment(attribute="expires_us")


class NewPasskeyAnswer(Schema):
    """What a browser needs to make a passkey."""

    id = fields.String()
    options = fields.Dict(metadata=OPTIONS)
    expires_at = Moment(attribute="expires_us")


class _Named(Body):
    name = BoundedText(most=NAME_MAX_CHARACTERS, load_default="")


class ConfirmTotpBody(_Named):
    """A code that the authenticator app shows."""

    code = BoundedText(least=1, most=_CODE_MOST, required=True)


class ConfirmPasskeyBody(_Named):
    """The credential that the browser has made."""

    passkey = BoundedMap(most=_PASSKEY_NAMES_MOST, required=True, metadata=_PASSKEY)


class RecoveryCodesAnswer(Schema):
    """Recovery codes. They are shown only in this answer. Each code logs in once."""

    recovery_codes = fields.List(fields.String())


class AddedAnswer(RecoveryCodesAnswer):
    """The factor that was added. The first factor comes with recovery codes."""

    factor = fields.Nested(FactorSchema)
