"""The JSON API, `/api/v1`. There is one file for each resource. A view parses the request, calls a service, and
answers.
"""

from __future__ import annotations

from flask import Flask
from flask_smorest import Api

from vault import __version__
from vault.api import (
    audit,
    calls,
    environments,
    factors,
    health,
    me,
    operator_keys,
    operator_users,
    operators,
    problems,
    reference,
    revisions,
    security_txt,
    sessions,
    tokens,
    transfer,
    values,
    variables,
)
from vault.api.schemas.problems import ProblemSchema
from vault.http import classify
from vault.model.budgets import RouteClass

RESOURCES = {
    sessions: RouteClass.SESSION,
    me: RouteClass.SESSION,
    factors: RouteClass.SESSION,
    environments: RouteClass.TOKEN,
    variables: RouteClass.TOKEN,
    values: RouteClass.TOKEN,
    revisions: RouteClass.TOKEN,
    tokens: RouteClass.TOKEN,
    transfer: RouteClass.TOKEN,
    audit: RouteClass.TOKEN,
    operator_keys: RouteClass.OPERATOR,
    operator_users: RouteClass.OPERATOR,
}


class StrongroomApi(Api):  # type: ignore[misc, no-any-unimported]  # flask-smorest ships no types
    """flask-smorest's Api, without its own error handlers."""

    ERROR_SCHEMA = ProblemSchema
    DEFAULT_ERROR_RESPONSE_CONTENT_TYPE = "application/problem+json"

    def _register_error_handlers(self) -> None:
        """Do nothing: `problems.register` handles every error."""


def register(app: Flask) -> None:
    """Register the API, its description and its error handlers with `app`."""
    app.config |= {
        "API_TITLE": "Strongroom",
        "API_VERSION": __version__,
        "OPENAPI_VERSION": "3.1.0",
        "OPENAPI_URL_PREFIX": None,
    }
    api = StrongroomApi(app)
    api.spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer"})
    for resource, route_class in RESOURCES.items():
        classify(resource.blueprint, route_class)
        api.register_blueprint(resource.blueprint, url_prefix=calls.PREFIX)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(security_txt.blueprint)
    problems.register(app)
    calls.guard(app)
    operators.guard(app)
    reference.register(app, api)
