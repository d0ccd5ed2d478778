"""Checks that the guards of the faces share: the credential, the operator, and ambiguous paths."""

from __future__ import annotations

from flask import Flask, current_app, g, request

from vault.auth import METHODS, SAFE_METHODS, Method, authenticate, ended_session, require_named_network
from vault.errors import IdempotencyUnsupported, InvalidInput, NotAuthenticated
from vault.http.current import address, presented, principal, services
from vault.http.marks import View, is_duty_view, is_ended_view, is_kept_view, is_public
from vault.model.environ import PERSON
from vault.model.principal import Principal


def needs_credential(app: Flask) -> bool:
    """Report whether the current view needs a credential.

    OPTIONS always needs one: Flask answers it for all methods of a path, not only for a public one.
    """
    return not is_public(app.view_functions.get(request.endpoint or "")) or request.method == "OPTIONS"


def _view() -> View | None:
    return current_app.view_functions.get(request.endpoint or "")


def identify(methods: tuple[Method, ...] = METHODS) -> None:
    """Identify the caller, and keep the principal for the request.

    Raises `NotAuthenticated`, `VaultLocked`, and what `require_no_duty` raises. Every view is closed to a person with a
    duty, unless it is marked.
    """
    g.principal = _caller(methods)
    request.environ[PERSON] = g.principal.user_id
    if g.principal.duties and needs_credential(current_app) and not is_duty_view(_view()):
        g.principal.require_no_duty()


def _caller(methods: tuple[Method, ...]) -> Principal:
    try:
        return authenticate(services(), presented(), methods)
    except NotAuthenticated:
        if "Idempotency-Key" not in request.headers or not is_ended_view(_view()):
            raise
        return ended_session(services(), presented())


def require_operator() -> None:
    """Require an operator who calls from a named network, with a recent proof. Raises `Forbidden`, `StepUpRequired`.

    The services check this again, but an answer that is stored for a retry is sent without calling them.
    """
    who = principal()
    require_named_network(request.environ, address(), services().settings.operator_networks)
    who.require_operator()
    who.require_recent_proof(services().clock())


def refuse_unkept_key() -> None:
    """Raise `IdempotencyUnsupported` if the call may change something, has an Idempotency-Key, and its answer is not
    stored. If the key were ignored, a client would take a retry for safe.
    """
    if "Idempotency-Key" not in request.headers or request.method in SAFE_METHODS:
        return
    view = _view()
    if view is not None and not is_kept_view(view):
        raise IdempotencyUnsupported()


def has_utf8_path() -> bool:
    """Report whether the path is UTF-8. Werkzeug replaces all wrong bytes with one character, so two paths could look
    the same.
    """
    path: str = request.environ["PATH_INFO"]
    if path.isascii():
        return True
    try:
        path.encode("latin-1").decode()
    except UnicodeError:
        return False
    return True


def require_ascii_query() -> None:
    """Raise `InvalidInput` for a query that is not percent-encoded."""
    if not request.environ.get("RAW_URI", "").partition("?")[2].isascii():
        raise InvalidInput("The query must be percent-encoded.")
