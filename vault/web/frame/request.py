"""What every page shares: how it is rendered, where the browser goes next, and the fields of its form."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

from flask import Response, current_app, g, make_response, redirect, render_template, request
from werkzeug.exceptions import HTTPException

from vault.model.digits import whole_number
from vault.model.principal import Principal, Role
from vault.web.frame import assets, csrf, said

FALLBACK = "web_fallback.nothing"
"""The view of addresses that are nobody's: as a page it is none."""
_DEEPEST_PAGE = 8
"""No page's address has as many parts."""


def render(template: str, status: int = 200, **told: Any) -> Response:
    """A page. What every page needs is added: who asks, the CSRF token, and what the last step has said."""
    asking: Principal | None = g.get("principal")
    shared = {
        "me": asking,
        "is_operator": asking is not None and asking.role is Role.OPERATOR,
        "csrf_token": csrf.token(),
        "asset": assets.url,
        "said": said.sentence(request.args.get("said", "")),
    }
    return make_response(render_template(template, **shared, **told), status)


def see(path: str, what: str = "") -> Response:
    """Send the browser to another page (303, so that it asks with GET), which tells `what` has been done."""
    separator = "&" if "?" in path else "?"
    return cast(Response, redirect(f"{path}{separator}said={what}" if what else path, code=303))


def here() -> str:
    """The page that is asked for; for a form that was sent, the page that it stands on."""
    if request.method == "GET":
        return request.full_path.rstrip("?")
    adapter, path = current_app.url_map.bind(""), request.path
    # Strangers ask too, and a path of thousands of parts would be looked up as often.
    while path and path.count("/") <= _DEEPEST_PAGE:
        with suppress(HTTPException):
            endpoint, _ = adapter.match(path, "GET")
            if endpoint != FALLBACK:
                return path
        path = path.rpartition("/")[0]
    return "/"


def field(name: str) -> str:
    """A field of the form that was sent; an empty text where it is absent."""
    return request.form.get(name, "")


def number(name: str, most: int) -> int | None:
    """A number in the form or the query, from 0 to `most`; None if it is absent or not such a number."""
    return whole_number(request.values.get(name, ""), most)


def wants_json() -> bool:
    """Whether one of our scripts asks, and not the browser itself."""
    return request.headers.get("Accept", "") == "application/json"
