"""`/me`: my account."""

from __future__ import annotations

from vault.api.calls import proven
from vault.api.parser import StrictBlueprint
from vault.api.schemas.ending import ChangedPasswordAnswer, ChangePasswordBody
from vault.api.schemas.people import ErasureAnswer, PasswordBody, UserSchema
from vault.http import answers_duty, answers_ended, principal, services, takes_password, visit
from vault.model.person import Person
from vault.services.people.accounts import NewPassword
from vault.services.people.ending import Changed
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


def _new_password(current_password: str, new_password: str, end_tokens: bool) -> tuple[NewPassword, bool]:
    return services().people.accounts.prepare_password(principal(), current_password, new_password), end_tokens


@blueprint.route("/me/password", methods=["PUT"])
@answers_duty
@answers_ended
@takes_password
@blueprint.arguments(ChangePasswordBody)
@proven(_new_password)
@blueprint.response(200, ChangedPasswordAnswer)
def change_password(unit: UnitOfWork, wish: tuple[NewPassword, bool]) -> Changed:
    """Change my password. My other sessions end, and a new session replaces this one. The answer also says which tokens
    my sessions made. They keep working unless `end_tokens` is true.
    """
    proof, end_tokens = wish
    return services().people.ending.change_password(unit, principal(), proof, visit("api"), end_tokens=end_tokens)


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
