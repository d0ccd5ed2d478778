"""`/tokens`: service tokens. A secret is shown in one answer only."""

from __future__ import annotations

from vault.api.calls import writes
from vault.api.paging import Items, Paging
from vault.api.parser import StrictBlueprint
from vault.api.schemas.parts import Page
from vault.api.schemas.tokens import RotateBody, TokenAnswer, TokenBody, TokenPage, TokenSchema
from vault.http import principal, services
from vault.services.tokens.request import TokenRequest
from vault.services.tokens.views import TokenView
from vault.storage import UnitOfWork

blueprint = StrictBlueprint("tokens", __name__, description="Service tokens: credentials for programs, with grants.")


@blueprint.route("/tokens", methods=["GET"])
@blueprint.arguments(Page, location="query")
@blueprint.response(200, TokenPage)
def list_tokens(page: Paging) -> tuple[Items, dict[str, str]]:
    """List my tokens. A token sees itself and the tokens that it made."""
    found = services().tokens.tokens.list(principal(), page.time_and_id(), page.one_more)
    return page.answer(found, lambda view: [view.created_us, view.id])


@blueprint.route("/tokens", methods=["POST"])
@blueprint.arguments(TokenBody)
@writes
@blueprint.response(201, TokenAnswer, headers=("Location",))
def create_token(unit: UnitOfWork, wanted: TokenRequest) -> tuple[TokenView, dict[str, str]]:
    """Create a token. Its secret is shown only in this answer."""
    view = services().tokens.tokens.create(unit, principal(), wanted)
    return view, {"Location": f"/api/v1/tokens/{view.id}"}


@blueprint.route("/tokens/<id:token_id>", methods=["GET"])
@blueprint.response(200, TokenSchema)
def get_token(token_id: str) -> TokenView:
    """Get one token."""
    return services().tokens.tokens.get(principal(), token_id)


@blueprint.route("/tokens/<id:token_id>/rotate", methods=["POST"])
@blueprint.arguments(RotateBody)
@writes
@blueprint.response(200, TokenAnswer)
def rotate_token(unit: UnitOfWork, token_id: str, overlap_seconds: int) -> TokenView:
    """Give a token a new secret. The old secret works until the overlap ends."""
    return services().tokens.tokens.rotate(unit, principal(), token_id, overlap_seconds)


@blueprint.route("/tokens/<id:token_id>", methods=["DELETE"])
@writes
@blueprint.response(204)
def revoke_token(unit: UnitOfWork, token_id: str) -> None:
    """Revoke a token and all tokens that it made, at once."""
    services().tokens.tokens.revoke(unit, principal(), token_id)
