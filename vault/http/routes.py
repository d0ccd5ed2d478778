"""Routes and their classes: which budget a request has, by the route that Werkzeug itself finds for it.

A blueprint has a class (`classify`), and a view that needs no credential is marked (`public`), whatever its blueprint.
What has neither is public, which is the smallest budget; a test fails on such a route.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from flask import Blueprint, Flask, current_app, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import IntegerConverter, Map

from vault.model.budgets import BUDGETS, Budget, RouteClass

BODILESS_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "LIST"})
"""No route reads a body with these, so a body that comes with them gets the smallest budget."""

_EXTENSION = "strongroom.routes"
_PUBLIC = "_strongroom_public"
_CLASS = "_strongroom_route_class"
_CREDENTIALS = (b"authorization", b"x-vault-token", b"x-api-key", b"cookie")
_NUMBER_MOST = 2**31 - 1
DIGITS_MOST = 19
"""Those of 2^63 - 1, the largest number of a database."""

View = TypeVar("View", bound=Callable[..., Any])


class _Digits(IntegerConverter):
    """A number in an address: ASCII digits, as many as a database can hold.

    Werkzeug's own converter reads digits of every script, and fails on more than 4,300 of them.
    """

    regex = f"[0-9]{{1,{DIGITS_MOST}}}"

    def __init__(self, url_map: Map, **options: Any) -> None:
        super().__init__(url_map, **{"max": _NUMBER_MOST, **options})


class Routes:
    """The routes of one app, once all of them are registered."""

    def __init__(self, app: Flask) -> None:
        self._adapter = app.url_map.bind("")
        self._classes = {rule.endpoint: _class_of(app, rule.endpoint) for rule in app.url_map.iter_rules()}

    def class_of(self, endpoint: str | None) -> RouteClass:
        """The class of an endpoint; public for what is none."""
        return self._classes.get(endpoint or "") or RouteClass.PUBLIC

    def unclassified(self) -> list[str]:
        """The endpoints that nobody has given a class."""
        return [endpoint for endpoint, found in self._classes.items() if found is None]

    def body_limit(self, method: str, path_info: str, headers: Mapping[bytes, bytes]) -> int:
        """How many bytes the body of a request may have. `path_info` is WSGI's (PEP 3333).

        Decided before the body is read and before the credential is checked, so a request without any credential has
        the budget of a public one.
        """
        if method in BODILESS_METHODS or not any(name in headers for name in _CREDENTIALS):
            return BUDGETS[RouteClass.PUBLIC].body_bytes
        return BUDGETS[self.class_of(self._endpoint(method, path_info))].body_bytes

    def _endpoint(self, method: str, path_info: str) -> str | None:
        try:
            # As Werkzeug decodes it when it binds to an environ.
            endpoint, _ = self._adapter.match(path_info.encode("latin-1").decode(errors="replace"), method)
        except HTTPException:
            return None
        return str(endpoint)


def prepare(app: Flask) -> None:
    """Have `app` read numbers in addresses as this file says; before any route is registered."""
    app.url_map.converters["int"] = _Digits


def register(app: Flask) -> Routes:
    """Note the classes of the routes of `app`; after the last one is registered."""
    routes = app.extensions[_EXTENSION] = Routes(app)
    return routes


def routes_of(app: Flask) -> Routes:
    """What `register` has noted."""
    return cast(Routes, app.extensions[_EXTENSION])


def budget() -> Budget:
    """The budget of the request that is being answered."""
    return BUDGETS[routes_of(current_app).class_of(request.endpoint)]


def is_large() -> bool:
    """Whether the request brings more than a public one could: what it costs to read is asked for first."""
    return (request.content_length or 0) > BUDGETS[RouteClass.PUBLIC].body_bytes


def classify(blueprint: Blueprint, route_class: RouteClass) -> None:
    """Give all routes of `blueprint` a class, but for its public views."""
    setattr(blueprint, _CLASS, route_class)


def public(view: View) -> View:
    """Mark a view that needs no credential."""
    setattr(view, _PUBLIC, True)
    return view


def is_public(view: Callable[..., Any] | None) -> bool:
    """Whether a view was marked so."""
    return bool(getattr(view, _PUBLIC, False))


def _class_of(app: Flask, endpoint: str) -> RouteClass | None:
    if is_public(app.view_functions.get(endpoint)):
        return RouteClass.PUBLIC
    blueprint = app.blueprints.get(endpoint.rpartition(".")[0])
    return getattr(blueprint, _CLASS, None)
