"""Service tokens: create, show the secret once, rotate, revoke."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from flask import Response, request

from vault.errors import Conflict, InvalidInput, StepUpRequired
from vault.http import principal, services, transaction
from vault.model.budgets import RouteClass
from vault.model.environment import Environment
from vault.model.grant import Permission
from vault.services.tokens.views import NamedGrant, TokenView
from vault.storage import UnitOfWork
from vault.web.frame import csrf, cursor
from vault.web.frame.blueprint import new_blueprint
from vault.web.frame.problems import refused
from vault.web.frame.request import field, render, see
from vault.web.frame.single_use import FIELD, SentBefore, once
from vault.web.pages.token_form import KINDS, LIVES, TokenForm

blueprint = new_blueprint("tokens", RouteClass.SESSION)

_PAGE = 50
_URL_MOST = 2000
"""A longer form is not filled in again after a proof of identity. It is quoted once more, and a URL has a limit."""
_FIELDS = {"name": "name", "ttl": "ttl", "ttl_seconds": "ttl", "networks": "networks", "uses": "uses"}
"""The form's names for the fields of a `TokenRequest`."""


@dataclass(frozen=True, slots=True)
class _ShownGrant:
    """A grant for display: its place in words, and its permissions."""

    where: str
    may: list[Permission]


@dataclass(frozen=True, slots=True)
class _Shown:
    """A token for display."""

    facts: TokenView
    grants: list[_ShownGrant]
    is_over: bool


@blueprint.get("/tokens")
def list_tokens() -> Response:
    """List my tokens, and the tokens that they made."""
    found = services().tokens.tokens.list(principal(), cursor.decode(request.args.get("after", "")), _PAGE + 1)
    shown = found[:_PAGE]
    last = (shown[-1].created_us, shown[-1].id) if len(found) > _PAGE else None
    after = cursor.encode(last) if last else ""
    return render("tokens.html", tokens=[_shown(view) for view in shown], after=after)


@blueprint.get("/tokens/new")
def new_token() -> Response:
    """Show the form for a new token. After a proof of identity, it is filled in as it was."""
    return _form(TokenForm.sent(request.args) if "on-0" in request.args else TokenForm())


@blueprint.post("/tokens")
def create_token() -> Response:
    """Create a token. Its secret is shown only in this answer."""
    form, environments = TokenForm.sent(request.form), _environments()
    if field("do") == "row":
        return _form(form.with_row())

    def create(unit: UnitOfWork) -> TokenView | SentBefore:
        wanted = form.request(environments)
        return once(unit, lambda unit: services().tokens.tokens.create(unit, principal(), wanted), lambda made: made.id)

    try:
        made = transaction(create)
    except StepUpRequired as error:
        refused(error)
        return see(f"/prove?next={quote(_filled_in(), safe='/')}")
    except (InvalidInput, Conflict) as error:
        return _form(form, refused(error), {_place(error): error.message})
    return _told(made, "token-made-before")


@blueprint.get("/tokens/<token_id>")
def show_token(token_id: str) -> Response:
    """Show one token."""
    return render("token.html", token=_shown(services().tokens.tokens.get(principal(), token_id)))


@blueprint.post("/tokens/<token_id>/rotate")
def rotate_token(token_id: str) -> Response:
    """Give a token a new secret. The old secret works until the overlap ends."""
    overlap = int(field("overlap")) if field("overlap") in ("3600", "86400") else 0

    def rotate(unit: UnitOfWork) -> TokenView | SentBefore:
        tokens = services().tokens.tokens
        return once(unit, lambda unit: tokens.rotate(unit, principal(), token_id, overlap), lambda made: made.id)

    return _told(transaction(rotate), "token-rotated-before")


@blueprint.post("/tokens/<token_id>/revoke")
def revoke_token(token_id: str) -> Response:
    """Revoke a token, and all tokens that it made."""
    transaction(lambda unit: services().tokens.tokens.revoke(unit, principal(), token_id))
    return see("/tokens", "token-revoked")


def _filled_in() -> str:
    """Return the URL of the form as it is filled in. It has no secret."""
    fields = [(name, value) for name, value in request.form.items(multi=True) if name not in (csrf.FIELD, FIELD)]
    path = f"/tokens/new?{urlencode(fields)}"
    return path if len(path) <= _URL_MOST else "/tokens/new"


def _told(made: TokenView | SentBefore, word: str) -> Response:
    if isinstance(made, SentBefore):
        return see(f"/tokens/{made.id}", word)
    shown = _shown(made)
    return render(
        "token_made.html",
        201,
        token=shown,
        secret=made.secret,
        origin=request.host_url.rstrip("/"),
        **_example(made, shown),
    )


def _form(form: TokenForm, status: int = 200, faults: dict[str, str] | None = None) -> Response:
    choices = {"lives": LIVES, "kinds": KINDS, "permissions": [str(permission) for permission in Permission]}
    names = [environment.name for environment in _environments()]
    return render("token_new.html", status, form=form, faults=faults or {}, names=names, **choices)


def _place(error: InvalidInput | Conflict) -> str:
    """Return the field or the row of grants with the error, or `form` for the whole form."""
    name, *rest = error.path.split(".")
    if name == "grants" and rest:
        return f"grants.{rest[0]}"
    return _FIELDS.get(name, "form")


def _environments() -> list[Environment]:
    limit = services().settings.quota_environments
    return services().environments.environments.list(principal(), deleted=False, limit=limit)


def _shown(view: TokenView) -> _Shown:
    is_over = (view.expires_us is not None and view.expires_us <= services().clock()) or view.uses_left == 0
    grants = [_ShownGrant(_where(grant), sorted(grant.permissions)) for grant in view.named_grants]
    return _Shown(view, grants, is_over)


def _where(grant: NamedGrant) -> str:
    if grant.globals:
        return "globals"
    if grant.environment_id is not None:
        return grant.environment_name or "a deleted environment"
    return "every environment" if grant.path == "*" else f"{grant.path} and all below"


def _example(made: TokenView, shown: _Shown) -> dict[str, str]:
    """Return what the example lines need: an environment of the token, by name and by id."""
    for grant, told in zip(made.grants, shown.grants, strict=True):
        if grant.environment_id is not None:
            name = told.where
            return {"quoted": shlex.quote(name), "text": json.dumps(name), "example_id": grant.environment_id}
    return {"quoted": "NAME", "text": '"NAME"', "example_id": "NAME"}
