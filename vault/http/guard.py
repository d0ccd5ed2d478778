"""What the guards of the faces share: who calls, whether a view needs that, and paths that can be read in two ways."""

from __future__ import annotations

from flask import Flask, g, request

from vault.auth import METHODS, Method, authenticate, require_named_network
from vault.errors import InvalidInput
from vault.http.current import address, presented, principal, services
from vault.http.marks import is_public


def needs_credential(app: Flask) -> bool:
    """Whether the current view is not public.

    OPTIONS always needs a credential: Flask answers it for all methods of an address, not only for the public one.
    """
    return not is_public(app.view_functions.get(request.endpoint or "")) or request.method == "OPTIONS"


def identify(methods: tuple[Method, ...] = METHODS) -> None:
    """Find out who calls, and keep it for the request. Raises `NotAuthenticated` and `VaultLocked`."""
    g.principal = authenticate(services(), presented(), methods)
    request.environ["strongroom.person"] = g.principal.user_id


def require_operator() -> None:
    """Require an operator who calls from a named network, with a recent proof. Raises `Forbidden`, `StepUpRequired`.

    The services check the operator again, but an answer that is kept for a retry is given without them.
    """
    who = principal()
    require_named_network(request.environ, address(), services().settings.operator_networks)
    who.require_operator()
    who.require_recent_proof(services().clock())


def has_utf8_path() -> bool:
    """Whether the path is UTF-8. Werkzeug replaces every wrong byte by the same sign, so two paths could become one."""
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
