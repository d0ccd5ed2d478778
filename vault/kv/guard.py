"""The guard of the Vault face. It requires a credential, and refuses a path that can be read in two ways."""

from __future__ import annotations

from flask import Blueprint, Flask, Response, g, request
from werkzeug.exceptions import HTTPException, NotFound

from vault.auth import SAFE_METHODS, VAULT_METHODS
from vault.http import (
    classify,
    identify,
    is_large,
    needs_credential,
    presented,
    principal,
    refuse_unkept_key,
    require_ascii_query,
    services,
)
from vault.kv import problems, wrapped
from vault.kv.address import PREFIX, is_list, require_one_spelling, require_path
from vault.model.budgets import RouteClass
from vault.model.grant import Permission

_VERSIONED = PREFIX + "/secret/"
_COMMANDS = {"POST": "put", "PUT": "put", "PATCH": "patch", "DELETE": "delete"}
"""The command of `vault kv` for each method. All others read."""
_CALLS = frozenset({"data", "subkeys", "delete", "undelete", "destroy"})
"""Calls of KV version 2 that need a path below them."""


def new_blueprint(name: str) -> Blueprint:
    """Return a blueprint under `/v1`. Its errors have Vault's form, and its answers can be wrapped."""
    blueprint = Blueprint(f"kv.{name}".replace(".", "_"), __name__, url_prefix=PREFIX)
    problems.register(blueprint)
    blueprint.after_request(wrapped.wrap_if_wanted)
    classify(blueprint, RouteClass.VAULT)
    return blueprint


def guard(app: Flask) -> None:
    """Require a credential for every path under `/v1`, even for a path that does not exist."""

    @app.before_request
    def require_vault_credential() -> Response | None:
        if request.path != PREFIX and not request.path.startswith(PREFIX + "/"):
            return None
        try:
            _admit(app)
        except Exception as error:
            return problems.told(error)
        return None


def _admit(app: Flask) -> None:
    environ = request.environ
    refuse_unkept_key()
    if needs_credential(app):
        identify(VAULT_METHODS)
    require_path()
    if isinstance(request.routing_exception, HTTPException):
        raise _unmatched(request.routing_exception)
    require_one_spelling()
    require_ascii_query()
    if wrapped.WRAP_FIELD in environ:
        g.wrap_seconds = wrapped.wrap_seconds()
        # Reserve before the call runs: a call that changes something must not fail afterwards for lack of room.
        if "principal" in g and environ["REQUEST_METHOD"] not in SAFE_METHODS:
            wrapped.reserve_for(principal())


def _unmatched(error: HTTPException) -> Exception:
    """Return the error for a path without a route. A path of KV version 1 under `secret/` has one of its own."""
    below = request.path.removeprefix(_VERSIONED).rstrip("/")
    if not isinstance(error, NotFound) or not request.path.startswith(_VERSIONED) or not below or below in _CALLS:
        return error
    return problems.NotVersioned("list" if is_list() else _COMMANDS.get(request.method, "get"))


def credential() -> str:
    """Return the credential itself. The answers about it repeat it."""
    return presented().vault_token


def may_write(name: str) -> None:
    """Check permission on the environment `name` before a large body is parsed. The service checks again."""
    if is_large():
        services().environments.environments.require(principal(), name, (Permission.CREATE, Permission.UPDATE))
