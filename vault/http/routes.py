"""The class of each route, which decides the budget of a request. Werkzeug's routing finds the route.

`classify` gives all routes of a blueprint a class. A view that is marked as public gets the public class instead. A
route without a class gets the public one, which has the smallest budget, and a test fails.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple, cast

from flask import Blueprint, Flask, current_app, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter, IntegerConverter, Map

from vault.auth import SAFE_METHODS
from vault.http.marks import is_password_view, is_public
from vault.model.budgets import BUDGETS, Budget, RouteClass
from vault.model.credential_headers import CREDENTIAL_HEADERS
from vault.model.digits import BIGINT_MOST

_EXTENSION = "strongroom.routes"
_CLASS = "_strongroom_route_class"
_CREDENTIALS = tuple(name.lower().encode() for name in CREDENTIAL_HEADERS)
_NUMBER_MOST = 2**31 - 1
DIGITS_MOST = len(str(BIGINT_MOST))
ID_PATTERN = "(?:[0-9A-Za-z]{12}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
"""An id of a session or a token, or a UUID."""


class _Digits(IntegerConverter):
    """A number in a path: ASCII digits, at most `DIGITS_MOST`.

    Werkzeug's own converter accepts digits of every script and fails on more than 4,300 digits.
    """

    regex = f"[0-9]{{1,{DIGITS_MOST}}}"

    def __init__(self, map: Map, max: int = _NUMBER_MOST) -> None:
        super().__init__(map, max=max)


class _Id(BaseConverter):
    """An id in a path.

    Without a shape of its own, `/sessions/<session_id>` would also be the path `/sessions/challenges`, whose `Allow`
    would then name a method that it does not have.
    """

    regex = ID_PATTERN


class _PasswordViews(NamedTuple):
    """The marked views of one method: whole paths, and the beginnings of paths with a variable part."""

    paths: frozenset[str]
    beginnings: tuple[str, ...]


class Routes:
    """The route classes of one app. Create it after all routes are registered."""

    def __init__(self, app: Flask) -> None:
        self._adapter = app.url_map.bind("")
        self._classes = {rule.endpoint: _class_of(app, rule.endpoint) for rule in app.url_map.iter_rules()}
        self._password_views = _password_views(app)

    def class_of(self, endpoint: str | None) -> RouteClass:
        """Return the class of an endpoint. An unknown endpoint is public."""
        return self._classes.get(endpoint or "") or RouteClass.PUBLIC

    def body_limit(self, method: str, path_info: str, headers: Mapping[bytes, bytes]) -> int:
        """Return how many bytes the body of a request may have. `path_info` is WSGI's (PEP 3333).

        This runs before the body is read and before the credential is checked. A request without a credential has the
        public limit.
        """
        # No route reads the body of a safe method.
        if method in SAFE_METHODS or not any(name in headers for name in _CREDENTIALS):
            return BUDGETS[RouteClass.PUBLIC].body_bytes
        return BUDGETS[self.class_of(self._endpoint(method, path_info))].body_bytes

    def takes_password(self, method: str, path_info: str) -> bool:
        """Report whether a request can reach a view that hashes a password. `path_info` is WSGI's (PEP 3333).

        This runs for every request, so it looks up sets that were made at the start instead of matching the route.
        """
        views = self._password_views.get(method.upper())
        if views is None:
            return False
        # Werkzeug ignores slashes at both ends, so `//api/v1/sessions` is a login too.
        path = "/" + path_info.strip("/")
        return path in views.paths or path.startswith(views.beginnings)

    def _endpoint(self, method: str, path_info: str) -> str | None:
        try:
            # Decode the path the way Werkzeug does.
            endpoint, _ = self._adapter.match(path_info.encode("latin-1").decode(errors="replace"), method)
        except HTTPException:
            return None
        return str(endpoint)


def prepare(app: Flask) -> None:
    """Install the converters of numbers and ids. Call this before any route is registered."""
    app.url_map.converters |= {"int": _Digits, "id": _Id}


def register(app: Flask) -> Routes:
    """Store the classes of all routes. Call this after the last route is registered."""
    routes = app.extensions[_EXTENSION] = Routes(app)
    return routes


def routes_of(app: Flask) -> Routes:
    """Return the `Routes` that `register` stored."""
    return cast(Routes, app.extensions[_EXTENSION])


def budget() -> Budget:
    """Return the budget of the current request."""
    return BUDGETS[routes_of(current_app).class_of(request.endpoint)]


def is_large() -> bool:
    """Report whether the body is larger than the public limit. If it is, check the permission before parsing."""
    return (request.content_length or 0) > BUDGETS[RouteClass.PUBLIC].body_bytes


def classify(blueprint: Blueprint, route_class: RouteClass) -> None:
    """Give all routes of `blueprint` a class. Public views stay public."""
    setattr(blueprint, _CLASS, route_class)


def _class_of(app: Flask, endpoint: str) -> RouteClass | None:
    if is_public(app.view_functions.get(endpoint)):
        return RouteClass.PUBLIC
    blueprint = app.blueprints.get(endpoint.rpartition(".")[0])
    return getattr(blueprint, _CLASS, None)


def _password_views(app: Flask) -> dict[str, _PasswordViews]:
    rules: defaultdict[str, list[str]] = defaultdict(list)
    for rule in app.url_map.iter_rules():
        if is_password_view(app.view_functions.get(rule.endpoint)):
            # Flask answers OPTIONS by itself.
            for method in (rule.methods or set()) - {"OPTIONS"}:
                rules[method].append(rule.rule)
    return {
        method: _PasswordViews(
            frozenset("/" + rule.strip("/") for rule in found if "<" not in rule),
            tuple(rule.partition("<")[0] for rule in found if "<" in rule),
        )
        for method, found in rules.items()
    }
