"""`/operator/users`: people's accounts. Only operators may call, from named networks, with a recent proof of identity.

The path names a person by id or name. A name with a slash can only be reached by id.
"""

from __future__ import annotations

from marshmallow import Schema, fields

from vault.api.calls import writes
from vault.api.paging import Items, Paging
from vault.api.parser import StrictBlueprint
from vault.api.schemas.bounded import Body, BoundedText
from vault.api.schemas.ending import EndedOfPersonAnswer, EndTokensQuery
from vault.api.schemas.parts import NAME_MOST, Page, Reference
from vault.api.schemas.people import ErasureAnswer, UserSchema
from vault.http import principal, services
from vault.model.person import Person
from vault.model.principal import Role
from vault.services.people.ending import Ended
from vault.services.people.erasure import ErasureReport
from vault.storage import UnitOfWork

blueprint = StrictBlueprint("operator-users", __name__, description="People's accounts, for operators.")


class AccountSchema(UserSchema):
    """An account as operators see it."""

    state = fields.String()


class AccountPage(Schema):
    items = fields.List(fields.Nested(AccountSchema))
    next = fields.String(allow_none=True)


class AccountQuery(Page):
    username = Reference(load_default=None, metadata={"description": "Only the account with this name."})


class RoleBody(Body):
    role = fields.Enum(Role, by_value=True, required=True)


class EraseBody(Body):
    """`confirm` repeats the username, because an erased account cannot be restored."""

    confirm = BoundedText(most=NAME_MOST, required=True)


@blueprint.route("/operator/users", methods=["GET"])
@blueprint.arguments(AccountQuery, location="query")
@blueprint.response(200, AccountPage)
def list_accounts(page: Paging, username: str | None) -> tuple[Items, dict[str, str]]:
    """List all accounts, by name."""
    found = services().people.accounts.page(principal(), page.key(str) or "", page.one_more, username=username)
    return page.answer(found, lambda account: [account.name_folded])


@blueprint.route("/operator/users/<user>", methods=["GET"])
@blueprint.response(200, AccountSchema)
def get_account(user: str) -> Person:
    """Get one account."""
    return services().people.accounts.get(principal(), user)


@blueprint.route("/operator/users/<user>/disable", methods=["POST"])
@writes
@blueprint.response(200, AccountSchema)
def disable_account(unit: UnitOfWork, user: str) -> Person:
    """Disable an account. Its sessions end and its tokens stop, but nothing is deleted. Answers 409 for the last
    operator.
    """
    return services().people.accounts.set_state(unit, principal(), user, active=False)


@blueprint.route("/operator/users/<user>/enable", methods=["POST"])
@writes
@blueprint.response(200, AccountSchema)
def enable_account(unit: UnitOfWork, user: str) -> Person:
    """Enable an account again."""
    return services().people.accounts.set_state(unit, principal(), user, active=True)


@blueprint.route("/operator/users/<user>/sessions", methods=["DELETE"])
@blueprint.arguments(EndTokensQuery, location="query")
@writes
@blueprint.response(200, EndedOfPersonAnswer)
def end_sessions(unit: UnitOfWork, user: str, end_tokens: bool) -> Ended:
    """End all sessions of an account. The answer says which tokens they made. They keep working unless `end_tokens` is
    true.
    """
    return services().people.ending.of_person(unit, principal(), user, end_tokens=end_tokens)


@blueprint.route("/operator/users/<user>/role", methods=["PUT"])
@blueprint.arguments(RoleBody)
@writes
@blueprint.response(200, AccountSchema)
def set_role(unit: UnitOfWork, user: str, role: Role) -> Person:
    """Change an account's role. Its sessions end. Answers 409 if no operator would be left."""
    return services().people.accounts.set_role(unit, principal(), user, role)


@blueprint.route("/operator/users/<user>/erase", methods=["POST"])
@blueprint.arguments(EraseBody)
@writes
@blueprint.response(200, ErasureAnswer)
def erase_account(unit: UnitOfWork, user: str, confirm: str) -> ErasureReport:
    """Erase a person for good, with keys, environments, sessions and tokens. Answers 409 for the last operator and for
    oneself.
    """
    return services().people.erasure.person(unit, principal(), user, confirm)
