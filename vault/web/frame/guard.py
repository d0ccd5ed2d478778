"""The guard of the pages: requires a session, except for public pages, and a CSRF check for every change."""

from __future__ import annotations

from urllib.parse import quote

from flask import Flask, Response, request

from vault.auth import WEB_METHODS, WEB_STREAM_METHODS
from vault.errors import InvalidInput, NotAuthenticated, NotFound
from vault.http import identify, is_unattended_view, needs_credential, refuse_unkept_key
from vault.web.frame import csrf, problems
from vault.web.frame import request as pages

BLUEPRINTS = "web_"
"""All blueprints of pages have names with this prefix."""


def register(app: Flask) -> None:
    """Check every request for a page of `app`."""

    @app.before_request
    def admit_to_page() -> Response | None:
        if not (request.blueprint or "").startswith(BLUEPRINTS):
            return None
        try:
            return _admit(app)
        except Exception as error:
            return problems.told(error)

    app.after_request(csrf.remember)


def _admit(app: Flask) -> Response | None:
    refuse_unkept_key()
    is_unattended = is_unattended_view(app.view_functions.get(request.endpoint or ""))
    try:
        identify(WEB_STREAM_METHODS if is_unattended else WEB_METHODS)
    except NotAuthenticated:
        # Strangers on public pages come here too. A look at the cookie first would be a second rule of who is logged
        # in.
        if needs_credential(app):
            return to_login()
    csrf.prepare()
    if request.method not in csrf.UNCHECKED_METHODS:
        csrf.check()
    _check_address()
    return None


def _check_address() -> None:
    """Refuse paths that a database cannot look up."""
    if any("\0" in str(value) for value in (request.view_args or {}).values()):
        raise NotFound("There is no such page.")
    if any("\0" in value for value in request.args.values()):
        raise InvalidInput("A URL must not contain control characters.")


def to_login() -> Response:
    """Redirect to the login page, which returns to this page afterwards."""
    if pages.wants_json():
        return problems.told(NotAuthenticated("You are logged out. Log in again and try again."))
    wanted = pages.here()
    return pages.see(f"/login?next={quote(wanted, safe='/')}" if wanted != "/" else "/login")
