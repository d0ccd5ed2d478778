"""The shapes of second factors: what completes a challenge, and one's factors."""

from __future__ import annotations

from marshmallow import Schema, fields

from vault.api.schemas.bounded import Body, BoundedMap, BoundedText
from vault.api.schemas.parts import Moment
from vault.api.schemas.sessions import OPTIONS
from vault.services.people.factors.enrolment import NAME_MAX_CHARACTERS

_CODE_MOST = 64
_PASSKEY_NAMES_MOST = 32
_PASSKEY = {"description": "The browser's credential as JSON (WebAuthn, level 3: `PublicKeyCredential.toJSON()`)."}


class ProofBody(Body):
    """Exactly one of them."""

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


class _Named(Body):
    name = BoundedText(most=NAME_MAX_CHARACTERS, load_default="")


class ConfirmTotpBody(_Named):
    """A code that the app shows."""

    code = BoundedText(least=1, most=_CODE_MOST, required=True)


class ConfirmPasskeyBody(_Named):
    """What the browser has made."""

    passkey = BoundedMap(most=_PASSKEY_NAMES_MOST, required=True, metadata=_PASSKEY)


class RecoveryCodesAnswer(Schema):
    """Recovery codes, told this once; each logs in once."""

    recovery_codes = fields.List(fields.String())


class AddedAnswer(RecoveryCodesAnswer):
    """A factor that was added; the first one comes with recovery codes, any other with none."""

    factor = fields.Nested(FactorSchema)
