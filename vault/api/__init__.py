"""The JSON API, `/api/v1`. There is one file for each resource. A view parses the request, calls a service, and
answers.
"""

from __future__ import annotations

from flask import Flask

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
from vault.api.description import StrongroomApi, describe
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


def register(app: Flask) -> None:
    """Register the API, its description and its error handlers with `app`."""
    app.config |= {
        "API_TITLE": "Strongroom",
        "API_VERSION": __version__,
        "OPENAPI_VERSION": "3.1.0",
        "OPENAPI_URL_PREFIX": None,
    }
    api = StrongroomApi(app)
    describe(api)
    for resource, route_class in RESOURCES.items():
        classify(resource.blueprint, route_class)
        api.register_blueprint(resource.blueprint, url_prefix=calls.PREFIX)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(security_txt.blueprint)
    problems.register(app)
    calls.guard(app)
    operators.guard(app)
    reference.register(app, api)
