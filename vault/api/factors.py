"""`/me/factors`: my second factors. A change requires a session with a recent proof of identity."""

from __future__ import annotations

from vault.api.parser import StrictBlueprint
from vault.api.schemas.factors import (
    AddedAnswer,
    ConfirmPasskeyBody,
    ConfirmTotpBody,
    FactorsAnswer,
    NewPasskeyAnswer,
    NewTotpAnswer,
    RecoveryCodesAnswer,
)
from vault.http import answers_duty, principal, services
from vault.model.json_types import JsonObject
from vault.services.people.factors import Added, FactorList, PasskeyEnrolment, TotpEnrolment

blueprint = StrictBlueprint("factors", __name__, description="My second factors.")


@blueprint.route("/me/factors", methods=["GET"])
@answers_duty
@blueprint.response(200, FactorsAnswer)
def list_factors() -> FactorList:
    """List my second factors, and how many recovery codes are left."""
    return services().people.factors.list(principal())


@blueprint.route("/me/factors/totp", methods=["POST"])
@answers_duty
@blueprint.response(201, NewTotpAnswer)
def begin_totp() -> TotpEnrolment:
    """Start to add an authenticator app."""
    return services().people.factors.begin_totp(principal())


@blueprint.route("/me/factors/totp/<id:enrolment_id>", methods=["POST"])
@answers_duty
@blueprint.arguments(ConfirmTotpBody)
@blueprint.response(201, AddedAnswer)
def confirm_totp(enrolment_id: str, code: str, name: str) -> Added:
    """Add the authenticator app, with a code that it shows."""
    return services().people.factors.confirm_totp(principal(), enrolment_id, code, name)


@blueprint.route("/me/factors/passkeys", methods=["POST"])
@answers_duty
@blueprint.response(201, NewPasskeyAnswer)
def begin_passkey() -> PasskeyEnrolment:
    """Start to add a passkey."""
    return services().people.factors.begin_passkey(principal())


@blueprint.route("/me/factors/passkeys/<id:enrolment_id>", methods=["POST"])
@answers_duty
@blueprint.arguments(ConfirmPasskeyBody)
@blueprint.response(201, AddedAnswer)
def confirm_passkey(enrolment_id: str, passkey: JsonObject, name: str) -> Added:
    """Add the passkey that the browser has made."""
    return services().people.factors.confirm_passkey(principal(), enrolment_id, passkey, name)


@blueprint.route("/me/factors/recovery-codes", methods=["POST"])
@blueprint.response(201, RecoveryCodesAnswer)
def new_recovery_codes() -> dict[str, tuple[str, ...]]:
    """Make ten new recovery codes. The old ones stop working."""
    return {"recovery_codes": services().people.factors.new_recovery_codes(principal())}


@blueprint.route("/me/factors/<id:factor_id>", methods=["DELETE"])
@blueprint.response(204)
def remove_factor(factor_id: str) -> None:
    """Remove a second factor. After the last one is removed, the password alone logs in again."""
    services().people.factors.remove(principal(), factor_id)
