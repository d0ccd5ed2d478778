"""The guard of the Vault face. It requires a credential, and refuses a path that can be read in two ways."""

from __future__ import annotations

from flask import Blueprint, Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from vault.auth import SAFE_METHODS, VAULT_METHODS
from vault.errors import InvalidInput
from vault.http import (
    classify,
    has_utf8_path,
    identify,
    is_large,
    needs_credential,
    presented,
    principal,
    require_ascii_query,
    services,
)
from vault.kv import problems, wrapped
from vault.kv.address import PREFIX
from vault.model.budgets import RouteClass
from vault.model.grant import Permission

_TWO_READINGS = ("%2f", "%5c", "%2e", "%00")


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
    if needs_credential(app):
        identify(VAULT_METHODS)
    if isinstance(request.routing_exception, HTTPException):
        raise request.routing_exception
    raw_path = environ.get("RAW_URI", "").partition("?")[0]
    if "%" in raw_path and any(part in raw_path.lower() for part in _TWO_READINGS):
        raise InvalidInput("Slashes and dots in a path must not be percent-encoded.")
    if not has_utf8_path():
        raise InvalidInput("The path must be UTF-8.")
    require_ascii_query()
    if wrapped.WRAP_FIELD in environ:
        g.wrap_seconds = wrapped.wrap_seconds()
        # Reserve before the call runs: a call that changes something must not fail afterwards for lack of room.
        if "principal" in g and environ["REQUEST_METHOD"] not in SAFE_METHODS:
            wrapped.reserve_for(principal())


def credential() -> str:
    """Return the credential itself. The answers about it repeat it."""
    return presented().vault_token


def may_write(name: str) -> None:
    """Check permission on the environment `name` before a large body is parsed. The service checks again."""
    if is_large():
        services().environments.environments.require(principal(), name, (Permission.CREATE, Permission.UPDATE))
