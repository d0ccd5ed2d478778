"""The shapes of second factors: what completes a challenge, and one's factors."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from vault.api.schemas.parts import Moment
from vault.api.schemas.sessions import OPTIONS
from vault.services.factors.enrolment import NAME_MAX_CHARACTERS

_CODE = validate.Length(1, 64)
_PASSKEY = {"description": "The browser's credential as JSON (WebAuthn, level 3: `PublicKeyCredential.toJSON()`)."}


class ProofBody(Schema):
    """Exactly one of them."""

    code = fields.String(validate=_CODE)
    recovery_code = fields.String(validate=_CODE)
    passkey = fields.Dict(metadata=_PASSKEY)


class FactorSchema(Schema):
    """A second factor."""

    id = fields.String()
    kind = fields.String()
    name = fields.String()
    created_at = Moment(attribute="created_us")
    last_used_at = Moment(attribute="used_us", allow_none=True)


class FactorsAnswer(Schema):
    """All second factors; `required` says that a password alone does not log in."""

    items = fields.List(fields.Nested(FactorSchema))
    recovery_codes_left = fields.Integer()
    required = fields.Boolean()


class NewTotpAnswer(Schema):
    """A secret for an authenticator app, and the same as the address that a QR code holds."""

    id = fields.String()
    secret = fields.String()
    uri = fields.String()
    expires_at = Moment(attribute="expires_us")


class NewPasskeyAnswer(Schema):
    """What a browser needs to make a passkey."""

    id = fields.String()
    options = fields.Dict(metadata=OPTIONS)
    expires_at = Moment(attribute="expires_us")


class _Named(Schema):
    name = fields.String(load_default="", validate=validate.Length(max=NAME_MAX_CHARACTERS))


class ConfirmTotpBody(_Named):
    """A code that the app shows."""

    code = fields.String(required=True, validate=_CODE)


class ConfirmPasskeyBody(_Named):
    """What the browser has made."""

    passkey = fields.Dict(required=True, metadata=_PASSKEY)


class RecoveryCodesAnswer(Schema):
    """Recovery codes, told this once; each logs in once."""

    recovery_codes = fields.List(fields.String())


class AddedAnswer(RecoveryCodesAnswer):
    """A factor that was added; the first one comes with recovery codes, any other with none."""

    factor = fields.Nested(FactorSchema)
