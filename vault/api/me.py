"""`/me`: my account."""

from __future__ import annotations

from vault.api.calls import proven
from vault.api.parser import StrictBlueprint
from vault.api.schemas.people import ChangePasswordBody, ErasureAnswer, PasswordBody, UserSchema
from vault.http import answers_duty, principal, services, takes_password
from vault.model.person import Person
from vault.services.people.accounts import NewPassword
from vault.services.people.erasure import ErasureReport
from vault.services.people.proven import Proven
from vault.storage import UnitOfWork

blueprint = StrictBlueprint("me", __name__, description="My account.")


@blueprint.route("/me", methods=["GET"])
@answers_duty
@blueprint.response(200, UserSchema)
def me() -> Person:
    """Get my account."""
    return services().people.accounts.me(principal())


def _new_password(current_password: str, new_password: str) -> NewPassword:
    return services().people.accounts.prepare_password(principal(), current_password, new_password)


@blueprint.route("/me/password", methods=["PUT"])
@answers_duty
@takes_password
@blueprint.arguments(ChangePasswordBody)
@proven(_new_password)
@blueprint.response(204)
def change_password(unit: UnitOfWork, proof: NewPassword) -> None:
    """Change my password. My other sessions end."""
    services().people.accounts.change_password(unit, principal(), proof)


def _proven_account(password: str) -> Proven:
    return services().people.accounts.prove(principal(), password)


@blueprint.route("/me", methods=["DELETE"])
@takes_password
@blueprint.arguments(PasswordBody)
@proven(_proven_account)
@blueprint.response(200, ErasureAnswer)
def delete_me(unit: UnitOfWork, proof: Proven) -> ErasureReport:
    """Delete my account and everything in it, for good. No answer is stored: the same call again gets a 401."""
    return services().people.erasure.own(unit, principal(), proof)
