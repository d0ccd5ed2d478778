"""What the pages share: rendering, redirects, and form fields."""

from __future__ import annotations

from contextlib import suppress
from typing import cast

from flask import Response, current_app, g, make_response, redirect, render_template, request
from werkzeug.exceptions import HTTPException

from vault.model.digits import whole_number
from vault.model.principal import Principal, Role
from vault.web.frame import assets, csrf, notices

FALLBACK = "web_fallback.nothing"
"""The view of unknown paths. It does not count as a page."""
_DEEPEST_PAGE = 8
"""No page's path has this many parts."""


def render(template: str, status: int = 200, /, **told: object) -> Response:
    """Render a page. The template also gets the caller, the CSRF token, and a sentence about the last step."""
    asking: Principal | None = g.get("principal")
    shared = {
        "me": asking,
        "is_operator": asking is not None and asking.role is Role.OPERATOR,
        "csrf_token": csrf.token(),
        "asset": assets.url,
        "said": notices.sentence(request.args.get("said", "")),
    }
    return make_response(render_template(template, **shared, **told), status)


def see(path: str, what: str = "") -> Response:
    """Redirect to another page. `what` is the word for what has been done. The status is 303, so the browser sends a
    GET.
    """
    separator = "&" if "?" in path else "?"
    return cast(Response, redirect(f"{path}{separator}said={what}" if what else path, code=303))


def here() -> str:
    """Return the URL of the requested page or, for a form that was sent, of the page with the form."""
    if request.method == "GET":
        return request.full_path.rstrip("?")
    adapter, path = current_app.url_map.bind(""), request.path
    # This also runs for visitors, and each part of the path costs a lookup.
    while path and path.count("/") <= _DEEPEST_PAGE:
        with suppress(HTTPException):
            endpoint, _ = adapter.match(path, "GET")
            if endpoint != FALLBACK:
                return path
        path = path.rpartition("/")[0]
    return "/"


def field(name: str) -> str:
    """Return a field of the form, or an empty text if it is absent."""
    return request.form.get(name, "")


def number(name: str, most: int) -> int | None:
    """Return a number from 0 to `most`: of the form if one was sent, otherwise of the query. Returns None if it is
    absent or not such a number.
    """
    # Never of both: the address of a form could then overrule what a person sees in it.
    sent = request.form if request.method == "POST" else request.args
    return whole_number(sent.get(name, ""), most)


def wants_json() -> bool:
    """Report whether one of our scripts asks, and not the browser itself."""
    return request.headers.get("Accept", "") == "application/json"
