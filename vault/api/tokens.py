"""`/tokens`: service tokens. A secret is shown in one answer only."""

from __future__ import annotations

from typing import Any

from vault.api.calls import page, page_limit, place_of, writes
from vault.api.parser import StrictBlueprint
from vault.api.schemas.parts import Page, moment
from vault.api.schemas.tokens import RotateBody, TokenAnswer, TokenBody, TokenPage, TokenSchema
from vault.http import principal, services
from vault.model.grant import Grant
from vault.services.tokens.request import GrantRequest, TokenRequest
from vault.services.tokens.tokens import TokenView
from vault.storage import UnitOfWork

blueprint = StrictBlueprint("tokens", __name__, description="Service tokens: credentials for programs, with grants.")


@blueprint.route("/tokens", methods=["GET"])
@blueprint.arguments(Page, location="query")
@blueprint.response(200, TokenPage)
def list_tokens(query: dict[str, Any]) -> Any:
    """List my tokens. A token sees itself and the tokens that it made."""
    place = place_of(query, int, str)
    found = services().tokens.tokens.list(principal(), (place[0], place[1]) if place else None, page_limit(query))
    body, headers = page(found, query, lambda view: [view.created_us, view.id])
    return {**body, "items": [_shown(view) for view in body["items"]]}, headers


@blueprint.route("/tokens", methods=["POST"])
@blueprint.arguments(TokenBody)
@writes
@blueprint.response(201, TokenAnswer)
def create_token(body: dict[str, Any], unit: UnitOfWork) -> Any:
    """Create a token. Its secret is shown only in this answer."""
    grants = [GrantRequest(**{**grant, "permissions": frozenset(grant["permissions"])}) for grant in body["grants"]]
    view = services().tokens.tokens.create(unit, principal(), TokenRequest(**{**body, "grants": grants}))
    return _shown(view), {"Location": f"/api/v1/tokens/{view.id}"}


@blueprint.route("/tokens/<token_id>", methods=["GET"])
@blueprint.response(200, TokenSchema)
def get_token(token_id: str) -> dict[str, Any]:
    """Get one token."""
    return _shown(services().tokens.tokens.get(principal(), token_id))


@blueprint.route("/tokens/<token_id>/rotate", methods=["POST"])
@blueprint.arguments(RotateBody)
@writes
@blueprint.response(200, TokenAnswer)
def rotate_token(body: dict[str, Any], token_id: str, unit: UnitOfWork) -> dict[str, Any]:
    """Give a token a new secret. The old secret works until the overlap ends."""
    return _shown(services().tokens.tokens.rotate(unit, principal(), token_id, body["overlap_seconds"]))


@blueprint.route("/tokens/<token_id>", methods=["DELETE"])
@writes
@blueprint.response(204)
def revoke_token(token_id: str, unit: UnitOfWork) -> None:
    """Revoke a token and all tokens that it made, at once."""
    services().tokens.tokens.revoke(unit, principal(), token_id)


def _shown(view: TokenView) -> dict[str, Any]:
    names = ("id", "accessor", "name", "parent_id", "max_ttl_seconds", "uses_left", "renewable", "networks", "metadata")
    shown = {name: getattr(view, name) for name in names}
    shown["grants"] = [_shown_grant(grant) for grant in view.grants]
    shown |= {"created_at": moment(view.created_us), "expires_at": moment(view.expires_us)}
    shown["last_used_at"] = moment(view.last_used_us)
    return shown if view.secret is None else shown | {"secret": view.secret}


def _shown_grant(grant: Grant) -> dict[str, Any]:
    where: dict[str, Any] = {"globals": True}
    if grant.environment_id is not None:
        where = {"environment_id": grant.environment_id}
    elif grant.path is not None:
        where = {"path": grant.path}
    return {**where, "permissions": sorted(grant.permissions)}
