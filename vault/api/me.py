"""`/me`: my account."""

from __future__ import annotations

from typing import Any

from vault.api.calls import principal, services
from vault.api.parser import StrictBlueprint
from vault.api.schemas import ChangePasswordBody, PasswordBody, UserSchema
from vault.storage import Record

blueprint = StrictBlueprint("me", __name__, description="My account.")


@blueprint.route("/me", methods=["GET"])
@blueprint.response(200, UserSchema)
def me() -> Record:
    """Who I am."""
    return services().accounts.me(principal())


@blueprint.route("/me/password", methods=["PUT"])
@blueprint.arguments(ChangePasswordBody)
@blueprint.response(204)
def change_password(body: dict[str, Any]) -> None:
    """Change my password; my other sessions end."""
    services().accounts.change_password(principal(), body["current_password"], body["new_password"])


@blueprint.route("/me", methods=["DELETE"])
@blueprint.arguments(PasswordBody)
@blueprint.response(204)
def delete_me(body: dict[str, Any]) -> None:
    """Delete my account with all that is in it, for good."""
    services().accounts.delete(principal(), body["password"])
