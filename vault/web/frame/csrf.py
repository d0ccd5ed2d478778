"""Protection against cross-site request forgery (CSRF).

A call that may change something, also a login, needs two things. The browser must say that the page has this very
origin (`Sec-Fetch-Site`, or `Origin` from browsers that do not send it). And the form must contain a token that is
bound to the session. Before there is a session, the token is bound to a random cookie of the login page.
"""

from __future__ import annotations

import hmac
import secrets

from flask import Response, g, request

from vault.auth.origin import is_same_origin
from vault.errors import Forbidden
from vault.http import services

FIELD = "csrf_token"
HEADER = "X-CSRF-Token"
UNCHECKED_METHODS = frozenset({"GET", "HEAD"})
"""Methods that need no token. Pages use no other method that changes nothing."""
LOGIN_COOKIE = "__Host-strongroom-login"

_LOGIN_MARK_BYTES = 32


def prepare() -> None:
    """Choose what this request's token is bound to: the session, the login page's cookie, or a new cookie."""
    principal = g.get("principal")
    mark = request.cookies.get(LOGIN_COOKIE, "")
    g.new_login_mark = ""
    if principal is None and not mark:
        g.new_login_mark = mark = secrets.token_urlsafe(_LOGIN_MARK_BYTES)
    tokens = services().people.form_tokens
    g.csrf_token = tokens.of_login(mark) if principal is None else tokens.of_session(principal)


def token() -> str:
    """Return the token for the forms of this page. It is empty if there is none, because the vault is locked."""
    return str(g.get("csrf_token", ""))


def check() -> None:
    """Raise `Forbidden` unless the call comes from a page of this origin and contains the token."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    same = is_same_origin(site, origin, services().settings.origin)
    given = request.headers.get(HEADER) or request.form.get(FIELD, "")
    if not same or not hmac.compare_digest(given.encode(), token().encode()):
        raise Forbidden(
            "This form belongs to another page or an older session. Go back, reload the page and try again."
        )


def remember(response: Response) -> Response:
    """Set the login page's cookie if this page was made with a new one."""
    if g.get("new_login_mark"):
        response.set_cookie(LOGIN_COOKIE, g.new_login_mark, secure=True, httponly=True, samesite="Strict")
    return response
